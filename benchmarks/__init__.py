"""Speed beside the rivals: same start, same iterations, same type, same cost reached. Run `python -m benchmarks`."""
