"""Benchmarks against other libraries; they aren't part of the package."""
