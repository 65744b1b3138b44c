"""The same training as its own users would write it in each library, in its quickest way."""
