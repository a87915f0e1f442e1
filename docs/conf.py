"""Settings of Sphinx, which builds the documentation; `make docs` runs it."""

import os
import sys
from pathlib import Path

import graytorgb as g2r

# tables.py is here, and the benchmarks, whose results it reads, are beside this folder
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import tables

os.environ["KERAS_BACKEND"] = "jax"  # TensorFlow and torch crash in one process

project = "graytorgb"
copyright = "2026, the graytorgb authors"
release = g2r.__version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "guide/_*.md"]
html_theme = "furo"
html_title = "graytorgb"
html_static_path = ["_static"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"^(?!graytorgb\.).*")]  # NumPy's and torch's own names

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # else it looks for a newer version online


guide = Path(__file__).with_name("guide")
tables.write(tables.backends(), guide / "_backends.md")
tables.write(tables.kinds(), guide / "_kinds.md")
tables.write(tables.files(), guide / "_files.md")
tables.write(tables.findings(), guide / "_findings.md")
tables.write(tables.loaders(), guide / "_loaders.md")
tables.write(tables.coverage(), guide / "_coverage.md")
