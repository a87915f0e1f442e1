"""Scripts that a person runs and reads."""
