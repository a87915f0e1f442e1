"""Sphinx configuration."""

import os
from pathlib import Path

import graytorgb as g2r

os.environ["KERAS_BACKEND"] = "jax"  # TensorFlow crashes beside torch, which is imported too

project = "graytorgb"
copyright = "2026, the graytorgb authors"
release = g2r.__version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
exclude_patterns = ["_build", "guide/_*.md"]
html_theme = "furo"
html_title = "graytorgb"
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"^(?!graytorgb\.).*")]  # NumPy's and torch's own names

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it asks the network whenever it is imported


def write_backends_table() -> None:
    """The table of backends, from the registry."""
    rows = ["| backend | how | result | takes | extra |", "|---|---|---|---|---|"]
    for name, info in g2r.backends().items():
        extra = f"`{name}`" if g2r.registry.BACKENDS[name].installed else "none"
        rows.append(f"| `{name}` | {info.how} | {info.result} | {info.takes} | {extra} |")
    Path(__file__).with_name("guide").joinpath("_backends.md").write_text("\n".join(rows) + "\n")


write_backends_table()
