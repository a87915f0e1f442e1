"""Tests of the verbs on one image or batch."""
