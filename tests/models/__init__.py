"""Tests of graytorgb.models."""
