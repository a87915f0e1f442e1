"""What an image file is, and what the usual conversion would lose of it."""
