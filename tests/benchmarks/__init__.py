"""Tests of the scripts in benchmarks/ and examples/."""
