"""The page of `keras-flows demo`: its pictures as plain functions, and the page itself."""
