"""The geometry of one image: its size, and which part of it is taken."""
