"""Recipes by profession: each goes from a folder of gray files to a trained batch."""
