"""Suites that need a process of their own: tests/test_apart.py runs them."""
