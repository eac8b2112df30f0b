"""What differs from one Keras backend to another: differentiation, state, devices."""
