"""Benchmarks beside other libraries and of networks; they aren't part of the package."""
