"""Pictures of samples, curves of training, samples moved along an attribute."""
