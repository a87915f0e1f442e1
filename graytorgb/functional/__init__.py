"""The verbs on one image or batch; :mod:`graytorgb` itself is their face."""
