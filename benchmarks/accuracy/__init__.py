"""What networks see in gray images, by every way to feed them."""
