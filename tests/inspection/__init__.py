"""Tests of graytorgb.inspection."""
