"""The ways from image files to batches that `benchmarks.speed.loading` compares."""
