"""The examples in README and docs/ are tests."""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    [PythonCodeBlockParser()], patterns=["*.md"], excludes=["_build/*"]
).pytest()
