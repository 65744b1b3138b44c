"""Readers of files and bundled data sets: each returns a Dataset."""
