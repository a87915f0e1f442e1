"""Tests of what the benchmarks and the proofs of models measure."""
