"""The color types of PNG, by their numbers (PNG specification, table 11.1)."""

# what it is, samples of a pixel, bits that a sample may have
PNG_COLORS = {
    0: ("gray", 1, (1, 2, 4, 8, 16)),
    2: ("RGB", 3, (8, 16)),
    3: ("palette", 1, (1, 2, 4, 8)),
    4: ("gray with alpha", 2, (8, 16)),
    6: ("RGB with alpha", 4, (8, 16)),
}
PNG_PALETTE = 3
