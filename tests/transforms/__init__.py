"""Tests of graytorgb.transforms."""
