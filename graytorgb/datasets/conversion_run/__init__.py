"""One run of a conversion: the passes over the headers and the pixels, and its record."""
