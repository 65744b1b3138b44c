"""Hostile files for every reader: what they may do, how they are made, and a search for more of them."""
