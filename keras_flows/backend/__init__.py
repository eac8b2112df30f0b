"""What differs between Keras backends: differentiation, state of models, threads, devices."""
