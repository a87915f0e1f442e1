"""Files that several tests of reading share."""

import pydicom
import pydicom.data
import pytest

from .samples import write_samples
from .scans import scan


@pytest.fixture
def ct(tmp_path):
    """Return a function that saves the small CT with changes, and returns its path."""

    def change(**elements):
        dataset = pydicom.dcmread(scan("CT_small.dcm"))
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
        path = tmp_path / "changed.dcm"
        dataset.save_as(path)
        return path

    return change


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_samples(tmp_path_factory.mktemp("files"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.dcm"
