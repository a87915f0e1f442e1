"""Whole datasets: audit a folder or an array of images, and convert it."""
