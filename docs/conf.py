"""Settings of Sphinx, which builds the documentation; `make docs` runs it.

The build needs neither torch, TensorFlow, JAX nor Keras: autodoc puts stand-ins in their place, and
docs/guide/_kinds.md holds what the tests have found with these libraries.
"""

import os
import sys
from pathlib import Path

from sphinx.application import Sphinx

import graytorgb as g2r

# tables.py is here, and the benchmarks, whose results it reads, are beside this folder
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

import stand_ins
import tables

os.environ["MPLBACKEND"] = "Agg"

project = "graytorgb"
copyright = "2026, the graytorgb authors"
release = g2r.__version__
extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "guide/_*.md", "gallery"]
smartquotes = False  # an option has two hyphens, and a string of Python has straight quotes
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"^(?!graytorgb\.).*")]  # NumPy's and torch's own names

html_theme = "furo"
html_title = f"graytorgb {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_theme_options = {"light_logo": "logo.svg", "dark_logo": "logo.svg"}
html_copy_source = False
html_show_sourcelink = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_preserve_defaults = True
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "auto_gallery",
    "filename_pattern": r"plot_",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "capture_repr": (),  # a script prints what is to be seen
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_signature": False,
    "min_reported_time": 3600,
    "write_computation_times": False,
    "copyfile_regex": "",
    "thumbnail_size": (640, 260),
}

tables.write_tables(Path(__file__).with_name("guide"))


def setup(app: Sphinx) -> None:
    """Put stand-ins in the place of missing libraries once the gallery's scripts have run."""
    app.connect("env-before-read-docs", lambda *arguments: stand_ins.install())
