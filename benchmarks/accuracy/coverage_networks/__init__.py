"""The networks of `benchmarks.accuracy.coverage`, a module for each library, and their trials."""
