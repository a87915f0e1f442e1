"""Tests of the benchmark that chooses a backend."""
