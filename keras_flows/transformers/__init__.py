"""Transformers that are causal, with a cache, or see all tokens."""
