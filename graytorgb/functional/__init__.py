"""The verbs that :mod:`graytorgb` exports: to_rgb, to_gray, to_uint8 and prepare."""
