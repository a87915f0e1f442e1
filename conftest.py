"""The examples in README and docs/ are tests."""

from doctest import ELLIPSIS

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], patterns=["*.md"], excludes=["_build/*"]
).pytest()
