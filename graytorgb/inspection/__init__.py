"""Image files looked at: their values, the loss of the usual conversion, and gray for a proof."""
