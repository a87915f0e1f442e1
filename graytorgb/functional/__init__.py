"""The verbs ``to_rgb``, ``to_gray``, ``to_uint8`` and ``prepare``, which :mod:`graytorgb` exports."""
