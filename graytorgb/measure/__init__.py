"""Time, memory and the machine: what the benchmark and the proofs of models share."""
