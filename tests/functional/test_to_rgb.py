"""Tests of ``to_rgb`` on arrays: `out`, `copy`, and objects that aren't images."""

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graytorgb as g2r
from graytorgb.backends.registry import BACKENDS, load
from graytorgb.functional import to_rgb as convert

from ..support import assert_same_bits, needs, oracle, random_bits


class TestOut:
    gray = random_bits((4, 5, 6), np.uint16)

    def refused(self, error, says, out, gray=None, **options):
        with pytest.raises(error) as caught:
            g2r.to_rgb(self.gray if gray is None else gray, "NHW", out=out, **options)
        assert says in str(caught.value)
        assert "given: numpy.ndarray, shape (4, 5, 6), dtype" in str(caught.value)

    def test_shape(self):
        self.refused(g2r.LayoutError, "the result (4, 5, 6, 3)", np.empty((4, 5, 6), np.uint16))

    def test_layout(self):
        out = np.empty((4, 3, 5, 6), np.uint16)
        self.refused(g2r.LayoutError, "(4, 3, 5, 6), the result (4, 5, 6, 3)", out)
        assert g2r.to_rgb(self.gray, "NHW->NCHW", out=out) is out

    def test_the_call_it_suggests_works(self):
        with pytest.raises(g2r.LayoutError) as caught:
            g2r.to_rgb(self.gray, "NHW", out=np.empty((4, 5, 6), np.uint16))
        call = str(caught.value).split("out=")[1].split("\n")[0]
        out = eval(call, {"np": np})
        assert g2r.to_rgb(self.gray, "NHW", out=out) is out

    @pytest.mark.parametrize("dtype", [np.uint8, np.int16, ">u2", np.float32])
    def test_dtype(self, dtype):
        self.refused(g2r.DtypeError, "the result", np.empty((4, 5, 6, 3), dtype))

    def test_order(self):
        out = np.empty((4, 5, 6, 3), np.uint16, order="F")
        self.refused(g2r.LayoutError, "C-contiguous", out)

    def test_strides(self):
        self.refused(g2r.LayoutError, "C-contiguous", np.empty((4, 5, 6, 6), np.uint16)[..., ::2])

    def test_alignment(self):
        raw = np.empty(4 * 5 * 6 * 3 * 2 + 1, np.uint8)[1:]
        self.refused(g2r.LayoutError, "aligned", raw.view(np.uint16).reshape(4, 5, 6, 3))

    def test_read_only(self):
        out = np.empty((4, 5, 6, 3), np.uint16)
        out.flags.writeable = False
        self.refused(g2r.LayoutError, "read-only", out)

    def test_overlap(self):
        out = np.zeros((4, 5, 6, 3), np.uint16)
        self.refused(g2r.LayoutError, "overlaps", out, gray=out[..., 0])

    def test_neighbors_in_one_buffer_are_fine(self):
        buffer = np.zeros(5 * 6 * 4, np.uint8)
        buffer[:30] = np.arange(30)
        gray, out = buffer[:30].reshape(5, 6), buffer[30:].reshape(5, 6, 3)
        assert_same_bits(g2r.to_rgb(gray, out=out), oracle(gray, "HW->HWC"))

    @pytest.mark.parametrize("out", [[[0]], "out", 3, b"\0" * 720])
    def test_kind(self, out):
        says = f"out must be of the input's kind, not {type(out).__name__}: expected out=np.empty("
        self.refused(g2r.DtypeError, says, out)

    def test_subclass(self):
        out = np.empty((4, 5, 6, 3), np.uint16).view(Subclass)
        self.refused(g2r.DtypeError, "Subclass is a subclass of numpy.ndarray", out)

    def test_nothing_is_written_where_it_is_refused(self):
        out = np.zeros((4, 5, 6, 3), np.uint16)
        self.refused(g2r.DtypeError, "the result >u2", out, gray=self.gray.astype(">u2"))
        self.refused(g2r.LayoutError, "the result", out[:, :4])
        assert not out.any()

    def test_a_view_has_no_place_in_it(self):
        out = np.empty((4, 5, 6, 3), np.uint16)
        self.refused(g2r.LayoutError, "copy=False", out, copy=False)

    def test_rgb_is_written_into_it_in_its_layout(self):
        rgb = random_bits((4, 5, 6, 3), np.float32)
        out = np.empty((4, 3, 5, 6), np.float32)
        assert g2r.to_rgb(rgb, "NHWC->NCHW", out=out) is out
        assert_same_bits(out, np.ascontiguousarray(rgb.transpose(0, 3, 1, 2)))

    def test_rgb_overlap(self):
        rgb = np.zeros((4, 5, 6, 3), np.uint8)
        with pytest.raises(g2r.LayoutError, match="overlaps"):
            g2r.to_rgb(rgb, out=rgb)

    @pytest.mark.parametrize("alpha", ["drop", (1, 2, 3)])
    def test_overlap_with_alpha(self, alpha):
        rgba = np.zeros((4, 5, 4), np.uint8)
        out = rgba.ravel()[:60].reshape(4, 5, 3)
        with pytest.raises(g2r.LayoutError, match="overlaps"):
            g2r.to_rgb(rgba, "HWC", alpha=alpha, out=out)

    def test_zero_size(self):
        out = np.empty((0, 5, 6, 3), np.uint8)
        assert g2r.to_rgb(np.empty((0, 5, 6), np.uint8), "NHW", out=out) is out


class TestCopy:
    def test_rgb_view_is_read_only_and_shared(self):
        rgb = random_bits((5, 6, 3), np.uint8)
        result = g2r.to_rgb(rgb, "HWC->CHW", copy=False)
        assert result.shape == (3, 5, 6)
        assert np.shares_memory(result, rgb)
        assert not result.flags.writeable
        assert rgb.flags.writeable  # the caller's own array stays as it was

    @pytest.mark.parametrize("copy", [0, 1, "no", np.False_])
    def test_takes_nothing_else(self, copy):
        g2r.to_rgb(np.zeros((5, 6)), copy=True)  # 1 == True, and must not find this cached plan
        with pytest.raises(g2r.LayoutError, match="copy is None, True or False"):
            g2r.to_rgb(np.zeros((5, 6)), copy=copy)

    def test_rgb_is_copied_unless_asked(self):
        rgb = random_bits((5, 6, 3), np.uint8)
        assert not np.shares_memory(g2r.to_rgb(rgb), rgb)
        assert np.shares_memory(g2r.to_rgb(rgb, backend="broadcast"), rgb)
        assert not np.shares_memory(g2r.to_rgb(rgb, backend="broadcast", copy=True), rgb)


class Duck:
    """An object that holds an array, as pandas' and xarray's objects do."""

    def __array__(self, dtype=None, copy=None):
        return np.arange(30, dtype=np.uint8).reshape(5, 6)


class Subclass(np.ndarray):
    pass


REFUSED = {
    "None": (None, g2r.DtypeError, "not NoneType"),
    "str": ("x.png", g2r.DtypeError, "not a path, 'x.png': g2r.io.read(path)"),
    "bytes": (b"x.png", g2r.DtypeError, "g2r.io.decode(data)"),
    "int": (3, g2r.DtypeError, "not int"),
    "dict": ({"image": 1}, g2r.DtypeError, "not dict"),
    "class": (np.ndarray, g2r.DtypeError, "not type"),
    "list": ([[1, 2], [3, 4]], g2r.DtypeError, "np.stack(images)"),
    "ragged list": ([[1, 2], [3]], g2r.DtypeError, "for each of them"),
    "tuple of images": ((np.zeros((2, 2)),), g2r.DtypeError, "not a tuple"),
    "object array": (np.array([[None, 1]]), g2r.DtypeError, "dtype object"),
    "structured array": (np.zeros((2, 2), "u1,f4"), g2r.DtypeError, "pick a field"),
    "string array": (np.array([["a", "b"]]), g2r.DtypeError, "dtype <U1"),
    "dates": (np.zeros((2, 2), "M8[s]"), g2r.DtypeError, "datetime64"),
    "masked array": (np.ma.zeros((2, 2)), g2r.DtypeError, "x.filled(value)"),
    "matrix": (np.zeros((2, 2)).view(np.matrix), g2r.DtypeError, "np.asarray(x)"),
    "subclass": (np.zeros((2, 2)).view(Subclass), g2r.DtypeError, "Subclass is a subclass"),
    "record array": (np.rec.array([(1, 2.0)]), g2r.DtypeError, "np.asarray(x)"),
    "scalar": (np.float32(3), g2r.LayoutError, "at least the axes H and W"),
    "2 channels": (np.zeros((4, 5, 6, 2)), g2r.ChannelError, 'alpha="drop"'),
    "4 channels": (np.zeros((4, 5, 6, 4)), g2r.ChannelError, "alpha=(r, g, b)"),
    "5 channels": (np.zeros((4, 5, 6, 5)), g2r.ChannelError, 'to_rgb(x, "NHW")'),
    "0 channels": (np.zeros((4, 5, 6, 0)), g2r.ChannelError, "has 0 entries"),
}


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@pytest.mark.parametrize(("image", "error", "says"), REFUSED.values(), ids=REFUSED)
def test_refused(image, error, says):
    layout = "NHWC" if getattr(image, "ndim", 0) == 4 else None
    with pytest.raises(error) as caught:
        g2r.to_rgb(image, layout)
    assert says in str(caught.value)
    assert f"given: {type(image).__module__.replace('builtins', '')}".rstrip() in str(caught.value)
    assert type(image).__qualname__ in str(caught.value)


def test_errors_are_also_builtins():
    pairs = {
        g2r.LayoutError: ValueError,
        g2r.DtypeError: TypeError,
        g2r.ChannelError: ValueError,
        g2r.LevelsError: ValueError,
        g2r.BackendUnavailable: ImportError,
        g2r.UnknownBackend: ValueError,
        g2r.ModelError: ValueError,
    }
    for error, builtin in pairs.items():
        assert issubclass(error, g2r.GrayToRGBError)
        assert issubclass(error, builtin)


def test_an_object_that_lies_about_itself_does_not_hide_the_error():
    class Liar:
        shape = 7

        @property
        def dtype(self):
            raise KeyError

        def __array__(self, dtype=None, copy=None):
            return np.zeros((64, 8, 8))

    with pytest.raises(g2r.LayoutError, match="say the layout"):
        g2r.to_rgb(Liar())


def test_objects_with_an_array_are_read_as_numpy():
    assert_same_bits(g2r.to_rgb(Duck()), oracle(Duck().__array__(), "HW->HWC"))


def test_memmaps_are_arrays(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, random_bits((4, 5, 6), np.uint16))
    mapped = np.load(path, mmap_mode="r")
    assert_same_bits(g2r.to_rgb(mapped, "NHW"), oracle(np.array(mapped), "NHW->NHWC"))
    view = g2r.to_rgb(mapped, "NHW", backend="broadcast")
    assert np.shares_memory(view, mapped)


@pytest.mark.parametrize(
    ("name", "near"),
    [("openvc", "opencv"), ("Pillow", "pillow"), ("cv2", "opencv"), ("nope", None), (None, None)],
)
def test_unknown_backend_names_the_nearest(name, near):
    with pytest.raises(g2r.UnknownBackend) as caught:
        g2r.to_rgb(np.zeros((2, 2)), backend=name)
    text = str(caught.value)
    assert "The backends are auto, repeat, " in text
    assert (f'did you mean backend="{near}"' in text) == (near is not None)


def test_errors_pickle():
    import pickle

    with pytest.raises(g2r.LayoutError) as caught:
        g2r.to_rgb(np.zeros((64, 8, 8)))
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is g2r.LayoutError
    assert str(again) == str(caught.value)


class Text(str):
    """A subclass of str."""


class TestCachedPlans:
    """The cache of plans never changes a later call."""

    DTYPES = (
        "?", "u1", "<u2", ">u2", "i8", "f2", ">f4", "f8", "g", "c16", "M8[s]", "O", "S3", "V3",
        np.dtype("u2", metadata={"a": 1}), np.dtypes.StringDType(na_object=[]),
    )  # fmt: skip
    LAYOUTS = (
        None, "HW", "NHW", "NHW->NCHW", " N H W -> N C H W", "HWN->NCHW", "WH->HWC", "HWC", "CHW",
        "NCHW", Text("NHW"), np.str_("HW"), b"NHW", True, ["NHW"],
    )  # fmt: skip
    NAMES = ("auto", *BACKENDS, "nope", Text("fill"), None, True, ["fill"])

    @staticmethod
    def told(gray, layout, options):
        """Return everything that a call gives: the parts of its result, or of its error."""
        try:
            rgb = g2r.to_rgb(gray, layout, **options)
        except g2r.GrayToRGBError as error:
            return type(error), str(error)
        return (
            type(rgb), rgb.dtype, rgb.dtype.metadata, rgb.shape, rgb.strides, rgb.flags.writeable,
            rgb.tobytes(), np.may_share_memory(rgb, gray),
        )  # fmt: skip

    @staticmethod
    def make_out(fault, shape, dtype, gray):
        """Return memory for a result of a shape and a dtype, with a fault."""
        out = np.zeros(shape, dtype)
        if fault == "shape":
            return np.zeros((*shape, 1), dtype)
        if fault == "dtype":
            return np.zeros(shape, "f4" if out.dtype != "f4" else "u2")
        if fault == "byte order":
            return np.zeros(shape, out.dtype.newbyteorder())
        if fault == "order":
            return np.zeros(shape, dtype, order="F")
        if fault == "strides":
            return np.zeros((*shape, 2), dtype)[..., 0]
        if fault == "alignment":
            raw = np.zeros(out.nbytes + 1, np.uint8)[1:]
            return raw.view(out.dtype).reshape(shape)
        if fault == "read-only":
            out.flags.writeable = False
        if fault == "overlap":
            return np.ndarray(shape, dtype, gray.base)
        if fault == "subclass":
            return out.view(np.recarray)
        return {"list": out.tolist(), "None": None}.get(fault, out)

    FAULTS = (
        "", "shape", "dtype", "byte order", "order", "strides", "alignment", "read-only", "overlap",
        "subclass", "list", "None",
    )  # fmt: skip

    @settings(max_examples=300, deadline=None)
    @given(
        st.sampled_from(FAULTS),
        st.lists(st.integers(0, 4), min_size=2, max_size=3),
        st.sampled_from(["?", "u1", "<u2", ">u2", ">f4", "f8", "g", "c16"]),
        st.sampled_from([None, "HW", "NHW", "NHW->NCHW", "HWN->NCHW", Text("NHW"), "HWC"]),
        st.sampled_from(["auto", "native", "fill", "repeat", "broadcast", "nope"]),
        st.fixed_dictionaries(
            {},
            optional={
                "copy": st.sampled_from([None, True, False]),
                "alpha": st.sampled_from(["error", "drop", (1, 2, 3), [0, 0, 0], np.ones(3)]),
            },
        ),
    )
    def test_either_way_is_the_same_into_out(self, fault, shape, dtype, layout, name, options):
        needs("native")
        memory = np.ones(1 << 12, np.uint8)  # True is 1 too
        gray = np.ndarray(shape, dtype, memory)
        options = {"backend": name} | options
        try:
            expected = g2r.to_rgb(gray, layout, **options | {"copy": True})
        except g2r.GrayToRGBError:
            expected = np.zeros((2, 3, 3), dtype)
        outs = [self.make_out(fault, expected.shape, dtype, gray) for _ in range(3)]
        told = [self.told(gray, layout, options | {"out": out}) for out in outs[:2]]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(convert, "NUMBERS", "")
            told.append(self.told(gray, layout, options | {"out": outs[2]}))
        assert told[0] == told[1] == told[2]
        if fault in ("", "None") and len(told[0]) > 2:
            assert told[0][6] == expected.tobytes()

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(st.integers(0, 4), max_size=4),
        st.sampled_from(DTYPES),
        st.sampled_from(LAYOUTS),
        st.fixed_dictionaries(
            {"backend": st.sampled_from(NAMES)},
            optional={
                "copy": st.sampled_from([None, True, False]),
                "alpha": st.sampled_from(["error", Text("error"), "drop", "nope"]),
            },
        ),
        st.booleans(),
    )
    def test_either_way_is_the_same(self, shape, dtype, layout, options, turned):
        gray = np.zeros(shape, dtype)
        if gray.dtype.kind in "biufc":
            gray.flat = np.arange(gray.size) % 2
        if turned:
            gray = gray.T
            gray.flags.writeable = False
        first, again = (self.told(gray, layout, options) for _ in range(2))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(convert, "NUMBERS", "")  # so that no array takes the short way
            assert self.told(gray, layout, options) == first == again

    def test_threads_are_no_part_of_a_plan(self):
        needs("native")
        native = load("native")
        gray = random_bits((3, 800, 900), np.uint8)
        expected, before = oracle(gray, "NHW->NCHW"), native.get_threads()
        try:
            for count in (1, 2, None):
                native.set_threads(count)
                assert_same_bits(g2r.to_rgb(gray, "NHW->NCHW", backend="native"), expected)
        finally:
            native.set_threads(before)

    @pytest.mark.parametrize("option", ["layout", "backend"])
    def test_nothing_wrong_is_held(self, option):
        class Thing:
            pass

        thing = Thing()
        held = weakref.ref(thing)
        with pytest.raises(g2r.GrayToRGBError, match="Thing object"):
            g2r.to_rgb(np.zeros((2, 3), np.uint8), **{option: thing})
        del thing
        gc.collect()
        assert held() is None
