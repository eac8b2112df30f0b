"""What a flow layer is, how a graph of them is inverted, and how repeated ones are run."""
