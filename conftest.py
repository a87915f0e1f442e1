"""The examples in README and docs/ are tests."""

import os
from doctest import ELLIPSIS

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(
    [PythonCodeBlockParser(doctest_optionflags=ELLIPSIS)], patterns=["*.md"], excludes=["_build/*"]
).pytest()

# albumentations asks the network for a newer version whenever it is imported
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
