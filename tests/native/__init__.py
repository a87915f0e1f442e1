"""Tests of the compiled kernels: how they are built, and what is said where they are missing."""
