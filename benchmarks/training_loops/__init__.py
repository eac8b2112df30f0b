"""Training as each framework's users write it: Keras `fit`, and loops in JAX and torch."""
