"""Benchmarks: each figure beside that of the peer it is compared to, measured in the same run."""
