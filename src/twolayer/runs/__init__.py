"""A run: a request in, a folder with a model out."""
