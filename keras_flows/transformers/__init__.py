"""Transformers over tokens: causal with a cache, or with attention over all tokens."""
