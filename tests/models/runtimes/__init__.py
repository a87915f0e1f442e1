"""Tests of the runtimes on which adapted networks are proven."""
