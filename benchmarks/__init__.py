"""Speed of keras_flows against the floor of each backend and against other libraries."""
