"""Where samples come from: the shipped digits, IDX files, and one name or path for all of them."""
