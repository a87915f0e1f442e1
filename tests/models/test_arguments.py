"""Every argument of adapt, adapt_file, adapt_state_dict and verify works or raises our errors."""

import numpy as np
import pytest

from graytorgb import GrayToRGBError, ModelError, OptionError
from graytorgb.core.stats import stats
from graytorgb.models import adapt, adapt_file, adapt_state_dict, verify
from graytorgb.models.preprocessing import Preprocessing

from ..support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

HOSTILE = [
    0, 1, True, False, -1, 1.5, 10**40, float("nan"), float("inf"), "", "x", b"x", [], (), {},
    [0], [""], [None], (1, 2, 3), ("a", "b"), (None, None), (0, "1"), ((0,), (1, 2)), np.int64(3),
    np.float32(0.5), np.array([]), np.array(5), set(), np.array([0, 255]), np.zeros((3, 1, 1)),
    np.zeros((1, 3, 8, 8)), np.array(["a"]), torch.zeros(2), torch.zeros(1, 3, 8, 8),
    torch.tensor(3), object(), len, int, range(2),
]  # fmt: skip
ALLOWED = (GrayToRGBError, FileNotFoundError, IsADirectoryError)


def make_network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def call(function, *args, **kwargs):
    """Whether a call works; an error that isn't one of this package's goes through."""
    try:
        function(*args, **kwargs)
    except ALLOWED:
        return False
    return True


class TestHostileValues:
    @pytest.mark.parametrize(
        "name",
        ["stats", "how", "layer", "value_range", "normalized", "freeze", "inplace", "example"],
    )
    def test_adapt(self, name):
        for value in HOSTILE:
            options = {"stats": "0..1", "example": 8, name: value}
            call(adapt, make_network(), **options)

    def test_models(self):
        for value in HOSTILE:
            assert not call(adapt, value, "0..1")
            assert not call(verify, value, value, np.zeros((1, 8, 8)))

    @pytest.mark.parametrize(
        "name",
        ["images", "stats", "value_range", "normalized", "layer", "tolerance", "batch_size",
         "seconds"],
    )  # fmt: skip
    def test_verify(self, name):
        model = make_network()
        adapted = adapt(model, "imagenet", example=8)
        images = np.random.default_rng(0).random((2, 8, 8), np.float32)
        for value in HOSTILE:
            if name == "seconds" and isinstance(value, int | float | np.number) and value > 0:
                continue  # it would take that long
            call(verify, model, adapted, **{"images": images, "seconds": 0, name: value})

    @pytest.mark.parametrize("name", ["source", "stats", "key", "offset", "dst"])
    def test_adapt_state_dict(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for value in HOSTILE:
            options = {"source": make_network().state_dict(), "stats": "0..1", name: value}
            call(adapt_state_dict, **options)

    @pytest.mark.parametrize(
        "name", ["src", "dst", "stats", "how", "layer", "example", "freeze", "offset"]
    )
    def test_adapt_file(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        torch.save(make_network().state_dict(), "a.pt")
        for value in HOSTILE:
            call(adapt_file, **{"src": "a.pt", "dst": "b.pt", "stats": "0..1", name: value})


class TestOptionErrors:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"layer": 0}, r"layer is the name of a layer, .* not int 0: pass"),
            ({"layer": True}, "layer is the name of a layer"),
            ({"layer": ""}, "names no layer"),
            ({"layer": ["0", ""]}, "names no layer"),
            ({"how": None}, 'how is "collapse", "expand" or "learned", not None'),
            ({"freeze": 1}, "freeze is True or False, not 1"),
            ({"inplace": "no"}, "inplace is True or False, not 'no'"),
            ({"example": 0}, "example is the size of an image"),
            ({"example": True}, "example is the size of an image"),
            ({"example": 1.5}, "example is the size of an image.*not 1.5"),
            ({"example": np.zeros(3)}, r"not ndarray of shape \(3,\)"),
            ({"value_range": 255}, "value_range is two numbers, not 255"),
            ({"normalized": "0.5"}, "normalized is two numbers"),
        ],
    )
    def test_adapt(self, options, message):
        for kind in (OptionError, ModelError):
            with pytest.raises(kind, match=message):
                adapt(make_network(), "imagenet", **options)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"batch_size": 1.5}, "batch_size is 1 or more, not 1.5"),
            ({"batch_size": True}, "batch_size is 1 or more, not True"),
            ({"tolerance": "small"}, "tolerance is a number, 0 or more, not 'small'"),
            ({"tolerance": float("nan")}, "tolerance is a number, 0 or more"),
            ({"seconds": float("inf")}, "seconds is a number, 0 or more"),
            ({"layer": 0}, "layer is the name of one convolution"),
            ({"images": "photos"}, "images is an array .* not a path, 'photos': g2r.io.read"),
            ({"images": None}, "images is an array"),
            ({"images": []}, "images holds no images"),
        ],
    )
    def test_verify(self, options, message):
        model = make_network()
        images = np.random.default_rng(0).random((2, 8, 8), np.float32)
        with pytest.raises(OptionError, match=message):
            verify(model, adapt(model, "imagenet", example=8), **{"images": images, **options})


class TestStatistics:
    @pytest.mark.parametrize(
        "convert",
        [
            lambda v: np.array(v).reshape(3, 1, 1),
            lambda v: np.array(v).reshape(1, 3, 1, 1),
            lambda v: torch.tensor(v, dtype=torch.float64).reshape(3, 1, 1),
            lambda v: torch.tensor(v, dtype=torch.float64, requires_grad=True).reshape(1, 3, 1, 1),
            lambda v: [[[n]] for n in v],
            lambda v: [tuple(v)],
            lambda v: [np.float64(n) for n in v],
            lambda v: [torch.tensor(n, dtype=torch.float64) for n in v],
        ],
    )
    def test_any_shape_has_one_number_for_each_channel(self, convert):
        mean, std = stats("imagenet")
        assert stats((convert(mean), convert(std))) == stats("imagenet")
        expected = adapt(make_network(), "imagenet", example=8).state_dict()
        found = adapt(make_network(), (convert(mean), convert(std)), example=8).state_dict()
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    @pytest.mark.parametrize("make", [np.array, lambda v: torch.tensor(v, dtype=torch.float64)])
    def test_an_array_of_two_rows(self, make):
        mean, std = stats("imagenet")
        assert stats(make([mean, std])) == stats("imagenet")
        assert stats(make([[0.5], [0.25]])) == ((0.5,), (0.25,))

    @pytest.mark.parametrize(
        "given",
        [(0.45, 58), ((0.485, 0.456, 0.406), (58.4, 57.1, 57.4)), (0, 255), (0.5, 127.5),
         ((0.5, 0.5, 0.5), (0.2, 0.2, 58))],
    )  # fmt: skip
    def test_a_std_in_bytes_is_refused(self, given):
        with pytest.raises(ModelError, match=r"std .*bytes: divide it by 255, std=.*value_range="):
            adapt(make_network(), given, example=8)

    @pytest.mark.parametrize(
        "given",
        ["imagenet", "-1..1", "0..1", "caffe", (0, 1), (0.5, 1), (0.5, 256 / 255), (0.5, 1 / 255),
         ((-1.5, -1.5, -1.5), 1.0)],
    )  # fmt: skip
    def test_no_other_std_is(self, given):
        assert Preprocessing.from_arguments(given).is_stated
