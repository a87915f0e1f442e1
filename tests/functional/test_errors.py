"""Tests of what the verbs say about objects that aren't images, unstated ranges, wrong names."""

import io
from pathlib import Path

import numpy as np
import pytest

import graytorgb as g2r
from graytorgb.core.image_file import ImageFile
from graytorgb.core.wording import suggest

VERBS = {
    "to_rgb": g2r.to_rgb,
    "to_gray": g2r.to_gray,
    "to_uint8": g2r.to_uint8,
    "prepare": lambda image: g2r.prepare(image, "imagenet"),
}
# For each object that a user takes for an image, what the message of every verb says
NO_IMAGES = {
    "a failed cv2.imread": (None, "cv2.imread(path) returns None for a file that it can't find"),
    "a path": ("scans/a.png", "not a path, 'scans/a.png': g2r.io.read(path) reads it"),
    "a Path": (Path("scans/a.png"), f"not a path, {str(Path('scans/a.png'))!r}: g2r.io.read(path)"),
    "a path in bytes": (b"a.png", "g2r.io.read(os.fsdecode(path))"),
    "a file's bytes": (b"\x89PNG\r\n\x1a\n\0\0", "not bytes: g2r.io.decode(data) decodes"),
    "a long text in bytes": (b"P2 4 4 255 " + b"0 " * 999, "g2r.io.decode(data)"),
    "a file's bytearray": (bytearray(b"\x89PNG"), "g2r.io.decode(bytes(data))"),
    "a file's memoryview": (memoryview(b"\x89PNG"), "g2r.io.decode(bytes(data))"),
    "an open file": (io.BytesIO(b"\x89PNG"), "not an open file, BytesIO: g2r.io.decode(file)"),
    "paths": (["a.png", Path("b.png")], "for each of them. Item 0 is a path, 'a.png': g2r.io.read"),
    "files' bytes": ([b"\x89PNG"], "Item 0 is bytes: g2r.io.decode(data)"),
    "a list with None": ([np.zeros((2, 2)), None], "a list whose item 1 is None: cv2.imread(path)"),
    "numbers": ([[1, 2], [3, 4]], "np.asarray(x, np.uint8) makes an image"),
    "arrays": ([np.zeros((2, 2))], 'np.stack(images) makes a batch (layout "NHW")'),
    "nothing": ([], "not a list: np.stack(images)"),
}
CHOICES = ("value_range=", '"dtype"', '"minmax"', '("percentile", ')


def make_file(array, value_range=(0, 4095), layout="HW"):
    return ImageFile(Path("x.npy"), array, layout, value_range, "a test", "NumPy", "gray")


def read_message(call, *arguments, error=g2r.GrayToRGBError, **options):
    """Return the first line of the error that a call raises."""
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return str(caught.value).partition("\n")[0]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(("given", "says"), NO_IMAGES.values(), ids=NO_IMAGES)
def test_what_is_no_image(verb, given, says):
    message = read_message(VERBS[verb], given, error=g2r.DtypeError)
    assert message.startswith("expected an image as a numpy array, a PIL image or a torch tensor")
    assert says in message
    assert len(message) < 400  # a file's bytes and long names aren't printed


@pytest.mark.parametrize("verb", VERBS)
def test_a_list_of_files(verb):
    files = [make_file(np.zeros((2, 3), np.uint16))] * 2
    message = read_message(VERBS[verb], files, error=g2r.DtypeError)
    assert "call this for each of them; np.stack([file.array for file in files])" in message
    assert g2r.to_rgb(np.stack([file.array for file in files]), "NHW").shape == (2, 2, 3, 3)


def test_a_path_that_breaks_itself_does_not_hide_the_error():
    class Broken(str):
        def __fspath__(self):
            raise ValueError("no path")

    assert "not a path, 'x'" in read_message(g2r.to_rgb, Broken("x"))


def test_a_long_name_is_cut():
    assert len(read_message(g2r.to_rgb, "x" * 10_000)) < 400


class TestRanges:
    """A range that isn't stated: the message has all four choices."""

    @pytest.mark.parametrize("verb", ["to_uint8", "prepare"])
    @pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.uint32, np.int8])
    def test_integers(self, verb, dtype):
        message = read_message(VERBS[verb], np.zeros((2, 3), dtype), error=g2r.LevelsError)
        assert all(choice in message for choice in CHOICES)

    @pytest.mark.parametrize("verb", ["to_uint8", "prepare"])
    def test_floats_beyond_0_to_1(self, verb):
        message = read_message(VERBS[verb], np.full((2, 3), 7.5), error=g2r.LevelsError)
        assert all(choice in message for choice in CHOICES)

    @pytest.mark.parametrize("verb", ["to_uint8", "prepare"])
    def test_a_file_that_states_none(self, verb):
        file = make_file(np.zeros((2, 3), np.uint16), None)
        message = read_message(VERBS[verb], file, error=g2r.LevelsError)
        assert message.startswith("x.npy: a test")
        assert all(choice in message for choice in CHOICES)

    def test_a_file_that_is_unpacked(self):
        message = read_message(list, make_file(np.zeros((2, 3), np.uint16), None))
        assert all(choice in message for choice in CHOICES)

    def test_the_error_says_which_argument_is_missing(self):
        for image in (np.zeros((2, 3), np.uint16), np.full((2, 3), 7.5)):
            with pytest.raises(g2r.LevelsError) as caught:
                g2r.to_uint8(image)
            assert caught.value.remedies == ("value_range",)
        with pytest.raises(g2r.LevelsError) as caught:
            g2r.to_uint8(np.full((2, 3), np.nan))
        assert caught.value.remedies == ()


class TestPrepare:
    """What `prepare` shares with `to_rgb` says the call of `prepare` too, and the call works."""

    def test_axes(self):
        batch = np.zeros((3, 8, 9), np.uint8)
        message = read_message(g2r.prepare, batch, "imagenet", error=g2r.LayoutError)
        assert 'Here: prepare(x, stats, "NHW->NCHW")' in message
        assert g2r.prepare(batch, "imagenet", "NHW->NCHW").shape == (3, 3, 8, 9)

    def test_alpha(self):
        image = np.zeros((8, 9, 4), np.uint8)
        message = read_message(g2r.prepare, image, "imagenet", "HWC", error=g2r.ChannelError)
        assert 'Here: prepare(to_rgb(x, layout, alpha="drop"), stats)' in message
        rgb = g2r.to_rgb(image, "HWC", alpha="drop")
        assert g2r.prepare(rgb, "imagenet").shape == (8, 9, 3)

    def test_other_verbs_name_themselves_alone(self):
        assert "Here:" not in read_message(g2r.to_rgb, np.zeros((3, 8, 9)))


GRAY = np.zeros((2, 8, 9), np.uint8)
MISSPELLED = {
    "statistics": (lambda: g2r.stats("imagnet"), "did you mean 'imagenet'"),
    "statistics in capitals": (lambda: g2r.stats("ImageNet"), "did you mean 'imagenet'"),
    "a range of statistics": (lambda: g2r.prepare(GRAY, "-1...1"), "did you mean '-1..1'"),
    "a backend": (lambda: g2r.to_rgb(GRAY, backend="opencb"), 'did you mean backend="opencv"'),
    "a backend's library": (lambda: g2r.to_rgb(GRAY, backend="cv2"), 'mean backend="opencv"'),
    "NumPy as a backend": (lambda: g2r.to_rgb(GRAY, backend="numpy"), 'mean backend="repeat"'),
    "auto": (lambda: g2r.to_rgb(GRAY, backend="Auto"), 'did you mean backend="auto"'),
    "weights": (lambda: g2r.to_gray(GRAY, weights="lume"), 'did you mean "luma"'),
    "alpha": (lambda: g2r.to_rgb(GRAY, alpha="dorp"), 'did you mean "drop"'),
    "a result's dtype": (
        lambda: g2r.prepare(GRAY, "imagenet", dtype="flaot32"),
        'did you mean "float32"',
    ),
    "a dtype": (lambda: g2r.choose_backend((8, 9), "unit8"), 'did you mean "uint8"'),
    "a rule": (lambda: g2r.to_uint8(GRAY, "min_max"), 'did you mean "minmax"'),
    "color": (lambda: g2r.io.read("x.png", color="grey"), 'did you mean "gray"'),
    "orientation": (lambda: g2r.io.read("x.png", orientation="aply"), 'did you mean "apply"'),
    "a window": (lambda: g2r.io.read("x.dcm", window="lungs"), 'did you mean "lung"'),
    "another arrow": (lambda: g2r.to_rgb(GRAY, "NHW=>NCHW"), 'Did you mean "NHW->NCHW"'),
    "half an arrow": (lambda: g2r.to_rgb(GRAY, "NHW>NHWC"), 'Did you mean "NHW->NHWC"'),
    "commas": (lambda: g2r.to_rgb(GRAY, "(N, H, W)"), 'Did you mean "NHW"'),
    "einops' letters": (lambda: g2r.to_rgb(GRAY, "b h w -> b c h w"), 'mean "BHW->BCHW"'),
    "Keras' words": (lambda: g2r.to_rgb(GRAY, "channels_last"), 'Did you mean "NHWC"'),
}


@pytest.mark.parametrize(("call", "says"), MISSPELLED.values(), ids=MISSPELLED)
def test_a_wrong_name_gets_the_nearest(call, says):
    assert says in read_message(call)


@pytest.mark.parametrize("wrong", ["xyz", "", 3, None, "->->", "-", "NHW->->NHWC"])
def test_a_name_that_is_like_none_gets_no_hint(wrong):
    assert "id you mean" not in read_message(g2r.to_rgb, GRAY, backend=wrong)
    if wrong is not None:
        assert "id you mean" not in read_message(g2r.to_rgb, GRAY, wrong)


def test_a_suggestion_takes_any_object():
    assert suggest(np.zeros(3), ["luma"]) == suggest(None, ["luma"]) == ""
    assert suggest(" LUMA ", ["luma"]) == '; did you mean "luma"?'
    assert suggest("nhw", {"NHW": (0, 1)}, show=repr) == "; did you mean 'NHW'?"
    assert suggest("aa", ["aab", "aac"], cutoff=0.5, most=2).count(" or ") == 1
