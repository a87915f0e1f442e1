"""Tests of the backends, and of what chooses and loads them."""
