"""Measuring what backends cost: time in rounds, memory in fresh processes."""
