"""Time, memory and the machine: what the benchmarks and the proofs of models measure."""
