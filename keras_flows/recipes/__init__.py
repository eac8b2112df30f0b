"""A training recipe a paper and data set: options, model, data, what is measured."""
