"""Settings of pytest: tests/docs/test_gallery.py runs the gallery's scripts, and no other does."""

collect_ignore_glob = ["auto_gallery/*", "gallery/*"]
