"""Benchmarks of accuracy: what networks recognize in gray images, by each way to feed them."""
