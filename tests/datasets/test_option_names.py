"""Options of data sets that take one of a few names: a wrong name gets the nearest one."""

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.datasets.loading.bad_files import check_on_error
from graytorgb.datasets.loading.directory_listing import check_labels
from graytorgb.datasets.loading.planes import make_plane_options
from graytorgb.datasets.pixels.fits import check_interpolation
from graytorgb.models.arguments import check_choice

MISSPELLED = {
    "convert's format": (lambda: g2r.datasets.convert("a", "b", format="pgn"), "png"),
    "convert's channels": (lambda: g2r.datasets.convert("a", "b", to="grey"), "gray"),
    "a loader's orientation": (lambda: make_plane_options(orientation="aply"), "apply"),
    "a batch's layout": (lambda: g2r.datasets.GrayBatches("a", 2, layout="nchw"), "NCHW"),
    "a batch's dtype": (lambda: g2r.datasets.GrayBatches("a", 2, dtype="unit16"), "uint16"),
    "what an error does": (lambda: check_on_error("skp"), "skip"),
    "a filter": (lambda: check_interpolation("biliner"), "bilinear"),
    "labels": (lambda: check_labels("inferred", "categorial", None), "categorical"),
    "how a network is adapted": (lambda: check_choice("how", "expnd", ("expand",)), "expand"),
}


@pytest.mark.parametrize(("call", "near"), MISSPELLED.values(), ids=MISSPELLED)
def test_a_wrong_name_gets_the_nearest(call, near):
    with pytest.raises(g2r.OptionError, match=f'did you mean "{near}"'):
        call()


def test_a_range_that_a_loader_needs_has_every_choice(tmp_path):
    np.save(tmp_path / "deep.npy", np.zeros((4, 5), np.uint16))
    batches = g2r.datasets.GrayBatches(tmp_path, 1, labels=None)
    with pytest.raises(g2r.LevelsError) as caught:
        next(iter(batches))
    for choice in ("value_range=(0, 4095)", '(lo, hi), "dtype", "minmax" or ("percentile", p, q)'):
        assert choice in str(caught.value)
