"""Tests of the kinds of arrays and images."""
