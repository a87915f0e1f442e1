"""What a conversion does to one image: options, reading, pixels and encoding."""
