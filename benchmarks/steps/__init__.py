"""Training steps as each framework's users write them: Keras `fit`, loops in JAX and torch."""
