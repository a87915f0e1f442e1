"""Benchmarks against other libraries, and the demo; not part of the package."""
