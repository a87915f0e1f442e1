"""The verbs ``to_rgb``, ``to_uint8`` and ``prepare``, which :mod:`graytorgb` exports."""
