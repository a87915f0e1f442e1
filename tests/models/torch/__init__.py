"""Tests of torch networks with one input channel."""
