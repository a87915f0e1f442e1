"""ONNX models made by hand: every way to the stem, what is refused, and what stays."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify

from ...support import needs_package

needs_package("onnx", "onnxruntime")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import TensorProto, helper, numpy_helper, parser  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((8, 3, 3, 3)).astype(np.float32)
CONV = "y = Conv <pads = [1, 1, 1, 1]> (%s, w)"


def model(body, given="float[N, 3, H, W] x", out="float[N, 8, P, Q] y", opset=17, ir=8, **tensors):
    """A model of these nodes; ``w`` is the stem's kernel unless another is given."""
    text = f'<ir_version: {ir}, opset_import: ["": {opset}]> net ({given}) => ({out}) {{{body}}}'
    made = parser.parse_model(text)
    for count, node in enumerate(made.graph.node):
        node.name = f"node{count}"
    for name, values in {"w": KERNEL, **tensors}.items():
        made.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    onnx.checker.check_model(made, full_check=True)
    return made


def f32(*numbers, shape=None):
    values = np.array(numbers, np.float32)
    return values if shape is None else values.reshape(shape)


def ints(*numbers):
    return np.array(numbers, np.int64)


def run(proto, **inputs):
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def planes(gray, mean=MEAN, std=STD, axis=1):
    shape = [-1 if k == axis else 1 for k in range(gray.ndim)]
    mean, std = (np.broadcast_to(np.array(v, float), 3).reshape(shape) for v in (mean, std))
    return ((gray - mean) / std).astype(np.float32)


def gray(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def assert_same(given, expected, tolerance=2e-6):
    for g, e in zip(given, expected, strict=True):
        assert g.shape == e.shape
        assert np.abs(g - e).max() <= tolerance * max(1, np.abs(e).max())


def assert_valid(adapted):
    """The checker takes it, and every shape can be inferred."""
    onnx.checker.check_model(adapted, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(adapted, strict_mode=True, data_prop=True)
    known = {v.name for v in inferred.graph.value_info} | {v.name for v in inferred.graph.output}
    assert {name for node in inferred.graph.node for name in node.output if name} <= known


# name: nodes, tensors and the rest of model(), and the axis of the channels
WAYS = {
    "padded": (CONV % "x", {}),
    "not padded": ("y = Conv(x, w)", {}),
    "one side": ("y = Conv <pads = [2, 0, 0, 1]> (x, w)", {}),
    "same": ('y = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w)', {}),
    "dilated": ("y = Conv <pads = [2, 2, 2, 2], dilations = [2, 2]> (x, w)", {}),
    "grouped": ("y = Conv <pads = [1, 1, 1, 1], group = 3> (x, v)",
                {"v": KERNEL[:6, :1], "out": "float[N, 6, P, Q] y"}),
    "biased": ("y = Conv (x, w, b)", {"b": f32(*range(8))}),
    "biased, padded": ("y = Conv <pads = [1, 1, 1, 1]> (x, w, b)", {"b": f32(*range(8))}),
    "transposed": ("y = ConvTranspose <strides = [2, 2]> (x, v)", {"v": KERNEL[:3]
                   .transpose(1, 0, 2, 3), "out": "float[N, 3, P, Q] y"}),
    "transposed, grouped": ("y = ConvTranspose <group = 3, pads = [1, 1, 1, 1]> (x, v)",
                            {"v": KERNEL[:3, :2], "out": "float[N, 6, P, Q] y"}),
    "normalized inside": ("a = Sub(x, m) b = Div(a, s) " + CONV % "b",
                          {"m": f32(0.4, 0.5, 0.6, shape=(1, 3, 1, 1)),
                           "s": f32(0.2, 0.3, 0.4, shape=(3, 1, 1))}),
    "from the other side": ("a = Sub(m, x) b = Mul(s, a) c = Add(t, b) n = Neg(c)" + CONV % "n",
                            {"m": f32(1), "s": f32(0.2, 0.3, 0.4, shape=(3, 1, 1)),
                             "t": np.float32(0.25)}),
    "batch normalization": ("a = BatchNormalization <epsilon = 0.01> (x, s, b, m, v)" + CONV % "a",
                            {"s": f32(1, 2, 3), "b": f32(3, 2, 1), "m": f32(0.1, 0.2, 0.3),
                             "v": f32(0.5, 1, 2)}),
    "padded before": ("a = Pad(x, p) y = Conv(a, w)", {"p": ints(0, 0, 1, 2, 0, 0, 3, 4)}),
    "padded before with a number": ("a = Pad(x, p, v) y = Conv(a, w)",
                                    {"p": ints(0, 0, 1, 2, 0, 0, 3, 4), "v": np.float32(0.7)}),
    "padded before with a list of a number": (
        "a = Pad(x, p, v) y = Conv(a, w)", {"p": ints(0, 0, 1, 2, 0, 0, 3, 4), "v": f32(0.7)}),
    "padded before and in the stem": ("a = Pad(x, p, v) " + CONV % "a",
                                      {"p": ints(0, 0, 1, 2, 0, 0, 3, 4), "v": np.float32(0.7)}),
    "padded, calculated, padded": ("a = Pad(x, p) b = Add(a, t) c = Pad(b, p) " + CONV % "c",
                                   {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "t": np.float32(2)}),
    "reflected": ('a = Pad <mode = "reflect"> (x, p) y = Conv(a, w)',
                  {"p": ints(0, 0, 2, 2, 0, 0, 2, 2)}),
    "padded, reflected": ('a = Pad(x, p) b = Pad <mode = "edge"> (a, p) ' + CONV % "b",
                          {"p": ints(0, 0, 2, 2, 0, 0, 2, 2)}),
    "cropped by a pad": ("a = Pad(x, p) y = Conv(a, w)", {"p": ints(0, 0, -1, -2, 0, 0, 2, -1)}),
    "padded along axes": ("a = Pad(x, p, , axes) y = Conv(a, w)",
                          {"p": ints(1, 2, 3, 4), "axes": ints(-2, -1), "opset": 18}),
    "padded by what is computed": (
        "s = Shape(x) h = Slice(s, two, three) z = Sub(h, h) p = Concat <axis = 0> (z, one, one, z)"
        " a = Pad(x, p, , axes) y = Conv(a, w)",
        {"two": ints(2), "three": ints(3), "one": ints(1), "axes": ints(2, 3), "opset": 18}),
    "channels last": ("a = Transpose <perm = [0, 3, 1, 2]> (x) " + CONV % "a",
                      {"given": "float[N, H, W, 3] x"}, 3),
    "channels last, arithmetic": (
        "a = Mul(x, s) b = Sub(a, m) p = Pad(b, q) t = Transpose <perm = [0, 3, 1, 2]> (p) "
        "y = Conv(t, w)",
        {"given": "float[N, H, W, 3] x", "s": f32(0.5), "m": f32(0.1, 0.2, 0.3),
         "q": ints(0, 0, 0, 0, 0, 1, 1, 0)}, 3),
    "reversed by gather": ("a = Gather <axis = 1> (x, i) " + CONV % "a", {"i": ints(2, 1, 0)}),
    "reversed by a list, as torch exports it": (
        "a = Transpose <perm = [1, 0, 2, 3]> (x) b = GatherND(a, i) "
        "c = Transpose <perm = [1, 0, 2, 3]> (b) d = Mul(c, s) " + CONV % "d",
        {"i": np.array([[2], [-2], [0]]), "s": f32(0.2, 0.3, 0.4, shape=(3, 1, 1))}),
    "reversed by slice": ("a = Slice(x, s, e, i, t) " + CONV % "a",
                          {"s": ints(-1), "e": ints(-(1 << 63)), "i": ints(1), "t": ints(-1)}),
    "reversed by slice, all axes": (
        "a = Slice(x, s, e, i, t) b = Transpose <perm = [0, 3, 1, 2]> (a) " + CONV % "b",
        {"s": ints(0, 0, 0, -1), "e": ints(1 << 40, 1 << 40, 1 << 40, -(1 << 40)),
         "i": ints(0, 1, 2, 3), "t": ints(1, 1, 1, -1), "given": "float[N, H, W, 3] x"}, 3),
    "reversed by split": ("a, b, c = Split <axis = 1> (x, s) d = Concat <axis = 1> (c, b, a) "
                          + CONV % "d", {"s": ints(1, 1, 1)}),
    "reversed by split in equal parts": (
        "a, b, c = Split <axis = 1, num_outputs = 3> (x) d = Concat <axis = 1> (c, b, a) "
        + CONV % "d", {"opset": 18}),
    "channel by channel": (
        "".join(f"a{c} = Gather <axis = 1> (x, i{c}) b{c} = Unsqueeze(a{c}, u) "
                f"c{c} = Mul(b{c}, s{c}) d{c} = Add(c{c}, t{c}) " for c in range(3))
        + "e = Concat <axis = 1> (d0, d1, d2) " + CONV % "e",
        {**{f"i{c}": np.int64(c) for c in range(3)}, "u": ints(1),
         **{f"s{c}": np.float32(c + 0.5) for c in range(3)},
         **{f"t{c}": np.float32(c - 0.3) for c in range(3)}}),
    "focus": (
        "".join(f"a{k} = Slice(x, s{k}, e, i, t) " for k in range(4))
        + "b = Concat <axis = 1> (a0, a1, a2, a3) y = Conv <pads = [1, 1, 1, 1]> (b, v)",
        {**{f"s{k}": ints(k % 2, k // 2) for k in range(4)}, "e": ints(1 << 40, 1 << 40),
         "i": ints(2, 3), "t": ints(2, 2),
         "v": RNG.standard_normal((8, 12, 3, 3)).astype(np.float32)}),
    "cropped": ("a = Slice(x, s, e, i) " + CONV % "a",
                {"s": ints(1, 2), "e": ints(-1, 1 << 40), "i": ints(2, 3)}),
    "nothing": ("a = Identity(x) b = Dropout(a) " + CONV % "b", {}),
    "cast": ("a = Cast <to = 11> (x) b = Sub(a, m) c = Cast <to = 1> (b) " + CONV % "c",
             {"m": np.float64(0.5)}),
    "made larger": ('a = Resize <mode = "linear"> (x, , s) y = Conv(a, w)',
                    {"s": f32(1, 1, 2, 1.5)}),
    "made larger, padded": ('a = Resize <mode = "cubic"> (x, , s) ' + CONV % "a",
                            {"s": f32(1, 1, 2, 1.5)}),
    "of a size": ('a = Resize <mode = "linear"> (x, , , z) ' + CONV % "a",
                  {"z": ints(2, 3, 16, 17)}),
    "of a size that is computed": (
        's = Shape(x) n = Slice(s, i0, i2) z = Concat <axis = 0> (n, hw) '
        'a = Resize <mode = "linear"> (x, , , z) ' + CONV % "a",
        {"i0": ints(0), "i2": ints(2), "hw": ints(16, 17)}),
    "of a size along axes": ('a = Resize <mode = "linear", axes = [2, 3]> (x, , , z) ' + CONV % "a",
                             {"z": ints(16, 17), "opset": 18}),
    "made larger, opset 9": ('a = Upsample <mode = "nearest"> (x, s) ' + CONV % "a",
                             {"s": f32(1, 1, 2, 2), "opset": 9}),
    "made larger, opset 10": ('a = Resize <mode = "nearest"> (x, s) ' + CONV % "a",
                              {"s": f32(1, 1, 2, 2), "opset": 10}),
    "averaged": ("a = AveragePool <kernel_shape = [2, 2], strides = [2, 2]> (x) " + CONV % "a", {}),
    "averaged with its padding": (
        "a = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (x) "
        + CONV % "a", {}),
    "averaged without its padding": (
        "a = AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x) " + CONV % "a", {}),
    "its shape is used": (
        CONV % "x" + " s = Shape(x) c = Gather <axis = 0> (s, one) f = Cast <to = 1> (c)",
        {"one": np.int64(1), "out": "float[N, 8, P, Q] y, float f"}),
    "its height is used": (
        CONV % "x" + " s = Shape <start = 2, end = 3> (x) f = Cast <to = 1> (s)",
        {"out": "float[N, 8, P, Q] y, float[1] f"}),
    "kernel as a node": ("v = Transpose <perm = [3, 2, 0, 1]> (u) " + CONV.replace("w", "v") % "x",
                         {"u": KERNEL.transpose(2, 3, 1, 0)}),
    "kernel of 8 bits": ("v = DequantizeLinear <axis = 0> (q, s) " + CONV.replace("w", "v") % "x",
                         {"q": (KERNEL * 30).astype(np.int8), "s": f32(*np.arange(1, 9) / 100)}),
    "several stems": (
        CONV % "x" + " a = Mul(x, t) z = Conv <strides = [2, 2]> (a, w) u = Conv(x, w)",
        {"t": f32(2), "out": "float[N, 8, P, Q] y, float[N, 8, R, S] z, float[N, 8, T, U] u"}),
    "a volume": ("y = Conv <pads = [0, 1, 1, 0, 1, 1]> (x, v)",
                 {"given": "float[N, 3, T, H, W] x", "out": "float[N, 4, P, Q, R] y",
                  "v": RNG.standard_normal((4, 3, 2, 3, 3)).astype(np.float32)}),
    "one image": ("a = Unsqueeze(x, zero) b = Transpose <perm = [0, 3, 1, 2]> (a) c = Sub(b, m) "
                  + CONV % "c",
                  {"given": "float[H, W, 3] x", "zero": ints(0), "m": np.float32(0.5)}, 2),
    "squeezed": ("a = Squeeze(x, zero) b = Add(a, m) c = Unsqueeze(b, zero) " + CONV % "c",
                 {"given": "float[1, 3, H, W] x", "zero": ints(0),
                  "m": f32(1, 2, 3, shape=(3, 1, 1))}),
    "no names for its sizes": (CONV % "x", {"given": "float[?, ?, ?, ?] x"}),
}  # fmt: skip


def way(name):
    body, options, *axis = WAYS[name]
    return model(body, **options), axis[0] if axis else 1


def image_shape(proto, axis, channels=1):
    """A small size; unknown axes are 2 images of 12 x 14."""
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    free = iter([2, 12, 14] if len(dims) == 4 else [2, 4, 12, 14] if len(dims) == 5 else [12, 14])
    sizes = []
    for k, dim in enumerate(dims):
        fixed = dim.dim_value if dim.HasField("dim_value") else 0
        sizes.append(channels if k == axis else fixed or next(free))
        if k == 0 and fixed:
            next(free)
    return sizes


@pytest.mark.parametrize("how", ["collapse", "expand"])
@pytest.mark.parametrize("name", WAYS)
def test_every_way(name, how):
    proto, axis = way(name)
    x = gray(*image_shape(proto, axis))
    adapted = adapt(proto, (MEAN, STD), how=how)
    assert_valid(adapted)
    assert_same(run(adapted, x=x), run(proto, x=planes(x, axis=axis)), 1e-5)
    assert adapted.opset_import == proto.opset_import
    assert adapted.graph.output == proto.graph.output


@pytest.mark.parametrize("name", ["padded", "normalized inside", "focus", "padded before"])
@pytest.mark.parametrize(
    ("mean", "std", "options", "limits"),
    [
        (0, 1, {}, (0, 1)),
        (0.5, 0.5, {"value_range": (0, 255)}, (0, 255)),
        (MEAN, STD, {"normalized": (0.4, 0.2)}, (-2, 3)),
        (MEAN, STD, {"value_range": (-1, 1)}, (-1, 1)),
    ],
)
def test_every_range(name, mean, std, options, limits):
    proto, axis = way(name)
    unit = gray(*image_shape(proto, axis))
    x = (unit * (limits[1] - limits[0]) + limits[0]).astype(np.float32)
    adapted = adapt(proto, (mean, std), **options)
    assert_same(run(adapted, x=x), run(proto, x=planes(unit, mean, std)), 2e-5)


def test_the_smallest_change():
    """A stem that doesn't pad: the kernel, a bias and the input's shape; nothing else."""
    proto = model("a = Conv(x, w) y = Relu(a)")
    adapted = adapt(proto, (MEAN, STD))
    assert [n.op_type for n in adapted.graph.node] == ["Conv", "Relu"]
    assert {t.name: list(t.dims) for t in adapted.graph.initializer} == {
        "w_gray": [8, 1, 3, 3], "node0_bias_gray": [8]
    }  # fmt: skip
    proto = model(CONV % "x")
    adapted = adapt(proto, (MEAN, STD))
    assert [n.op_type for n in adapted.graph.node] == ["Pad", "Conv"]
    adapted = adapt(proto, (0, 1))
    assert [n.op_type for n in adapted.graph.node] == ["Conv"]
    adapted = adapt(way("channel by channel")[0])
    assert [n.op_type for n in adapted.graph.node] == ["Pad", "Conv"]


@pytest.mark.parametrize("opset", [7, 8, 9, 10, 11, 13, 15, 18, 21, 23])
@pytest.mark.parametrize("how", ["collapse", "expand"])
def test_every_opset(opset, how):
    proto = model("a = Sub(x, m) " + CONV % "a", opset=opset, m=f32(0.5))
    x = gray(2, 1, 12, 13)
    adapted = adapt(proto, (MEAN, STD), how=how)
    assert_valid(adapted)
    assert adapted.opset_import[0].version == opset
    assert_same(run(adapted, x=x), run(proto, x=planes(x)))


@pytest.mark.parametrize("opset", [1, 2, 6])
def test_opsets_before_numpys_broadcasting(opset):
    """The weights of such old models are among their inputs."""
    given = "float[N, 3, H, W] x, float[8, 3, 3, 3] w"
    proto = model("y = Conv(x, w)", given, opset=opset, ir=3)
    adapted = adapt(proto, (MEAN, STD))
    onnx.checker.check_model(adapted, full_check=True)
    assert {v.name for v in adapted.graph.input} == {"x", "w_gray", "node0_bias_gray"}
    x = gray(2, 1, 12, 13)
    expected = ReferenceEvaluator(proto).run(None, {"x": planes(x), "w": KERNEL})
    tensors = {t.name: numpy_helper.to_array(t) for t in adapted.graph.initializer}
    assert_same(ReferenceEvaluator(adapted).run(None, {"x": x, **tensors}), expected)
    turned = model("v = Transpose <perm = [1, 0, 2, 3]> (u) y = Conv(x, v)", opset=opset, ir=3,
        given=given + ", float[3, 8, 3, 3] u", u=KERNEL.swapaxes(0, 1))  # fmt: skip
    assert [n.op_type for n in adapt(turned, (MEAN, STD)).graph.node] == ["Conv"]
    with pytest.raises(ModelError, match="convert_version"):
        adapt(proto, (MEAN, STD), how="expand")
    arithmetic = model("a = Neg(x) b = Sub <broadcast = 1> (a, m) y = Conv(b, w)",
        given + ", float[1] m", opset=6, ir=3, m=f32(1))  # fmt: skip
    with pytest.raises(ModelError, match=r"Sub 'node1' of opset 6, before 7"):
        adapt(arithmetic, (MEAN, STD))


def test_bytes_in():
    """A model that takes bytes and normalizes them itself needs nothing stated."""
    proto = model(
        "a = Cast <to = 1> (x) b = Div(a, s) c = Transpose <perm = [0, 3, 1, 2]> (b) "
        "d = Sub(c, m) " + CONV % "d",
        given="uint8[N, H, W, 3] x", s=f32(255), m=f32(*MEAN, shape=(1, 3, 1, 1)),
    )  # fmt: skip
    x = np.random.default_rng(0).integers(0, 256, (2, 12, 13, 1), np.uint8)
    adapted = adapt(proto)
    assert_valid(adapted)
    assert_same(run(adapted, x=x), run(proto, x=np.repeat(x, 3, 3)))
    images = x[..., 0]
    proof = verify(proto, adapted, images, seconds=0)
    assert proof.passed
    assert proof.border_difference is not None
    assert verify(proto, adapt(proto, (0, 1), how="expand"), images, (0, 1), seconds=0).passed
    for how in ("collapse", "expand"):
        with pytest.raises(ModelError, match="takes whole numbers"):
            adapt(proto, (MEAN, STD), how=how)
    with pytest.raises(ModelError, match="and these images aren't"):
        verify(proto, adapted, images / 255, seconds=0)


@pytest.mark.parametrize("body", [
    "a = Clip(x, zero, one) b = Cast <to = 3> (a) c = Cast <to = 1> (b)", "c = Round(x)",
    "c = MaxPool <kernel_shape = [2, 2]> (x)", "c = Pad(x, p, half)",
])  # fmt: skip
def test_functions_of_one_plane_while_the_planes_are_equal(body):
    proto = model(
        body + " d = Sub(c, m) " + CONV % "d", zero=np.float32(0), one=np.float32(1),
        half=np.float32(0.5), p=ints(0, 0, 1, 1, 0, 0, 1, 1), m=f32(*MEAN, shape=(3, 1, 1)),
    )  # fmt: skip
    x = 2 * gray(2, 1, 12, 13) - 0.5
    adapted = adapt(proto)
    assert_valid(adapted)
    assert_same(run(adapted, x=x), run(proto, x=np.repeat(x, 3, 1)))
    if "Pad" not in body:
        with pytest.raises(ModelError, match="as three different planes"):
            adapt(proto, (MEAN, STD))


def test_two_images():
    """A change detector: both are gray, and the stem is shared."""
    proto = model(
        "a = Conv <pads = [1, 1, 1, 1]> (x, w) b = Conv <pads = [1, 1, 1, 1]> (z, w) y = Sub(a, b)",
        given="float[N, 3, H, W] x, float[N, 3, H, W] z",
    )
    adapted = adapt(proto, (MEAN, STD))
    assert_valid(adapted)
    x, z = gray(1, 1, 9, 9), gray(1, 1, 9, 9, seed=1)
    assert_same(run(adapted, x=x, z=z), run(proto, x=planes(x), z=planes(z)), 1e-5)
    proof = verify(proto, adapted, x, (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.largest_output > 1  # and not the difference of an image and itself
    kernel = next(t for t in adapted.graph.initializer if t.name == "w_gray")
    values = -numpy_helper.to_array(kernel)
    kernel.CopyFrom(numpy_helper.from_array(values, kernel.name))
    assert not verify(proto, adapted, x, (MEAN, STD), seconds=0).passed


def test_other_inputs_stay():
    proto = model(CONV % "x" + " q = Neg(k)", given="float[N, 3, H, W] x, float[1] k",
        out="float[N, 8, P, Q] y, float[1] q")  # fmt: skip
    adapted = adapt(proto, (MEAN, STD))
    x, k = gray(1, 1, 9, 9), f32(3)
    assert_same(run(adapted, x=x, k=k), run(proto, x=planes(x), k=k))
    with pytest.raises(ModelError, match=r"inputs that aren't images, \['k'\]"):
        verify(proto, adapted, x, (MEAN, STD))


def test_functions_are_inlined_where_the_image_goes_into_one():
    text = """<ir_version: 8, opset_import: ["": 17, "own": 1]>
    net (float[N, 3, H, W] x) => (float[N, 8, P, Q] y) <float[8, 3, 3, 3] w = {%s}> {
        y = own.stem(x, w)
    }
    <domain: "own", opset_import: ["": 17]>
    stem (x, w) => (y) { t = Constant <value_float = 0.5> () a = Sub(x, t) y = Conv(a, w) }
    """
    proto = parser.parse_model(text % ", ".join(map(str, KERNEL.ravel())))
    before = proto.SerializeToString()
    x = gray(2, 1, 9, 9)
    for inplace in (False, True):
        copy = type(proto).FromString(before)
        adapted = adapt(copy, (MEAN, STD), inplace=inplace)
        assert (adapted is copy) == inplace
        assert inplace or copy.SerializeToString() == before
        assert_valid(adapted)
        assert_same(run(adapted, x=x), run(proto, x=planes(x)))


@pytest.mark.parametrize("how", ["collapse", "expand"])
def test_the_size_that_some_converters_write_for_any(how):
    proto = model(CONV % "x")
    for axis in (0, 2, 3):
        proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = -1
    adapted = adapt(proto, (MEAN, STD), how=how)
    images = gray(2, 9, 8)
    assert verify(proto, adapted, images, (MEAN, STD), seconds=0).passed


def test_names_of_values_in_branches_and_of_nodes():
    """ONNX wants every name once in a graph and its branches, and ONNX Runtime of nodes too."""
    proto = model(
        CONV.replace("y", "c") % "x" + " y = If(yes) <"
        "then_branch = a () => (float[N, 8, P, Q] r) { w_gray = Neg(c) r = Relu(w_gray) }, "
        "else_branch = b () => (float[N, 8, P, Q] q) { x_and_ones = Neg(c) q = Abs(x_and_ones) }>",
        yes=np.array(True),
    )
    proto.graph.node[0].name = "x_planes_node"
    proto.graph.node[1].name = "x_and_ones_node"
    x = gray(2, 1, 9, 8)
    for how in ("collapse", "expand"):
        adapted = adapt(proto, (MEAN, STD), how=how)
        assert_valid(adapted)
        assert_same(run(adapted, x=x), run(proto, x=planes(x)), 1e-5)


def test_stale_shapes_of_another_rank():
    proto = model("a = Transpose <perm = [0, 1, 3, 2]> (x)" + CONV % "a")
    proto.graph.value_info.append(onnx.helper.make_tensor_value_info("a", 1, [7]))
    x = gray(2, 1, 9, 8)
    assert_same(run(adapt(proto, (MEAN, STD)), x=x), run(proto, x=planes(x)), 1e-5)


def test_nodes_in_a_circle():
    proto = model("a = Relu(x) b = Neg(a)" + CONV % "b")
    proto.graph.node[0].input[0] = "b"
    with pytest.raises(ModelError, match="no valid ONNX: nodes need each other, 'node"):
        adapt(proto, (MEAN, STD))


def test_nodes_in_any_order():
    """Some converters append the casts of the inputs behind everything else."""
    proto = model("a = Sub(x, m) b = Conv(a, w) y = Relu(b)", m=f32(0.5))
    x = gray(2, 1, 9, 9)
    expected = run(proto, x=planes(x))
    nodes = list(proto.graph.node)[::-1]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    for how in ("collapse", "expand"):
        adapted = adapt(proto, (MEAN, STD), how=how)
        assert_valid(adapted)
        assert_same(run(adapted, x=x), expected)


class TestWhatStays:
    @pytest.fixture
    def proto(self):
        proto = model(
            "a = Sub(x, m) b = Conv <pads = [1, 1, 1, 1]> (a, w) y = Conv(b, v)", m=f32(0.5),
            v=RNG.standard_normal((8, 8, 1, 1)).astype(np.float32),
        )  # fmt: skip
        proto.producer_name, proto.doc_string, proto.model_version = "maker", "a network", 7
        helper.set_model_props(proto, {"author": "someone", "Image.BitmapPixelFormat": "Rgb8",
            "Image.NominalPixelRange": "Normalized_0_1"})  # fmt: skip
        proto.graph.value_info.extend(onnx.shape_inference.infer_shapes(proto).graph.value_info)
        proto.graph.node[1].doc_string = "the stem"
        return proto

    def test_everything_else(self, proto):
        adapted = adapt(proto, (MEAN, STD))
        for field in ("producer_name", "doc_string", "model_version", "ir_version"):
            assert getattr(adapted, field) == getattr(proto, field)
        assert adapted.graph.name == proto.graph.name
        assert adapted.graph.node[-1] == proto.graph.node[-1]
        stem = adapted.graph.node[-2]
        assert (stem.name, stem.doc_string, list(stem.output)) == ("node1", "the stem", ["b"])
        assert {t.name for t in adapted.graph.initializer} >= {"v"}
        assert not {t.name for t in adapted.graph.initializer} & {"w", "m"}
        dims = adapted.graph.input[0].type.tensor_type.shape.dim
        assert [d.dim_param or d.dim_value for d in dims] == ["N", 1, "H", "W"]
        assert {v.name for v in adapted.graph.value_info} == {"b"}

    def test_what_it_says_of_its_pixels(self, proto):
        def said(adapted):
            return {e.key: e.value for e in adapted.metadata_props}

        assert said(adapt(proto, (MEAN, STD))) == {
            "author": "someone", "Image.BitmapPixelFormat": "Gray8",
            "Image.NominalPixelRange": "Normalized_0_1",
            "graytorgb.preprocessing":
                "gray-input_mean_0.485_0.456_0.406_std_0.229_0.224_0.225",
        }  # fmt: skip
        pixels = "Image.NominalPixelRange"
        assert said(adapt(proto, (MEAN, STD), value_range=(0, 255)))[pixels] == "NominalRange_0_255"
        assert pixels not in said(adapt(proto, (MEAN, STD), value_range=(0, 4095)))

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_the_original(self, proto, how):
        before = proto.SerializeToString()
        adapt(proto, (MEAN, STD), how=how)
        assert proto.SerializeToString() == before
        assert adapt(proto, (MEAN, STD), how=how, inplace=True) is proto
        assert proto.SerializeToString() != before

    def test_what_others_use(self):
        """Kernels and constants that have other users stay for them."""
        proto = model(
            "a = Sub(x, m) " + CONV % "a" + " s = ReduceSum <keepdims = 0> (w) f = Add(s, m)",
            m=f32(0.5), out="float[N, 8, P, Q] y, float[1] f",
        )  # fmt: skip
        adapted = adapt(proto, (MEAN, STD))
        x = gray(2, 1, 9, 9)
        assert_same(run(adapted, x=x), run(proto, x=planes(x)))

    def test_fixed_sizes(self):
        proto = model(CONV % "x", given="float[4, 3, 12, 13] x", out="float[4, 8, 12, 13] y")
        for how in ("collapse", "expand"):
            adapted = adapt(proto, (MEAN, STD), how=how)
            assert_valid(adapted)
            dims = adapted.graph.input[0].type.tensor_type.shape.dim
            assert [d.dim_value for d in dims] == [4, 1, 12, 13]
            images = gray(11, 12, 13)  # not a multiple of the batch that is fixed
            proof = verify(proto, adapted, images, (MEAN, STD), seconds=0)
            assert proof.passed
            assert proof.images == 11
        with pytest.raises(ModelError, match="takes images of 12 x 13, not 13 x 12"):
            verify(proto, adapted, gray(2, 13, 12), (MEAN, STD))


# what the image meets, and what is said of it
REFUSED = {
    "a matrix": ("a = Flatten(x) y = MatMul(a, v)", {"v": f32(*range(507), shape=(507, 1)),
        "out": "float[N, 1] y"}, "the image goes into Flatten 'node0'"),
    "its own mean": ("a = ReduceMean <axes = [2, 3]> (x) b = Sub(x, a) " + CONV % "b", {},
        r"goes into ReduceMean 'node0'; goes into Sub 'node1', whose other operand is computed"),
    "itself": ("a = Mul(x, x) " + CONV % "a", {}, "goes into Mul 'node0' twice"),
    "a mean image": ("a = Sub(x, m) " + CONV % "a", {"m": gray(1, 3, 12, 13),
        "given": "float[N, 3, 12, 13] x"}, "meets other numbers at each pixel in Sub"),
    "a division by it": ("a = Div(m, x) " + CONV % "a", {"m": f32(1)}, "divides in Div"),
    "zero": ("a = Div(x, m) " + CONV % "a", {"m": f32(0)}, "becomes infinite"),
    "quantized": ("a = QuantizeLinear(x, s, z) b = DequantizeLinear(a, s, z) " + CONV % "b",
        {"s": np.float32(0.02), "z": np.uint8(128)},
        "is quantized by QuantizeLinear 'node0': adapt the float model"),
    "a nonlinear function": ("a = Relu(x) " + CONV % "a", {}, "as three different planes"),
    "a kernel that is computed": ("v = Add(w, t) " + CONV.replace("w", "v") % "x",
        {"given": "float[N, 3, H, W] x, float[1] t"}, "whose kernel is computed at each run"),
    "itself as a kernel": ("v = Identity(x) " + CONV.replace("w", "v") % "x",
        {"out": "float[N, M, P, Q] y"}, "not as what is worked on"),
    "more channels": ("a = Pad(x, p) y = Conv(a, v)", {"p": ints(0, 0, 0, 0, 0, 1, 0, 0),
        "v": gray(8, 4, 3, 3)}, "gets more channels in Pad"),
    "something beside it": ("a = Concat <axis = 1> (x, z) y = Conv(a, v)", {"v": gray(8, 4, 3, 3),
        "given": "float[N, 3, H, W] x, float[N, 1, H, W] z"}, "put together with something else"),
    "another axis": ("a = Concat <axis = 2> (x, x) " + CONV % "a", {}, "along another axis"),
    "a crop of everything": ("a = Slice(x, s, e, i) y = Conv(a, v)", {"s": ints(0, 1),
        "e": ints(2, 9), "i": ints(1, 2), "v": gray(8, 2, 3, 3)}, "and other axes at once"),
    "a branch": (
        "y = If (c) <then_branch = g () => (float[N, 3, H, W] t) {t = Identity(x)}, "
        "else_branch = h () => (float[N, 3, H, W] e) {e = Neg(x)}>",
        {"given": "float[N, 3, H, W] x, bool c", "out": "float[N, 3, H, W] y"},
        "goes into If 'node0'"),
    "the output": (CONV % "x" + " z = Neg(x)", {"out": "float[N, 8, P, Q] y, float[N, 3, H, W] z"},
        "is returned as the output 'z', beside the convolution.s. 'node0'"),
    "nothing": ("y = Conv(z, v)", {"given": "float[N, 3, H, W] x, float[N, 1, H, W] z",
        "v": gray(8, 1, 3, 3)}, "reaches no convolution"),
    "training": ("a, b = Dropout(x) c = Cast <to = 1> (b) " + CONV % "a",
        {"out": "float[N, 8, P, Q] y, float[N, 3, H, W] c"}, "Dropout 'node0' in training mode"),
    "a crop and a resize": (
        'a = Resize <coordinate_transformation_mode = "tf_crop_and_resize"> (x, r, s) '
        + CONV % "a",
        {"r": f32(0, 0, 0.1, 0.1, 1, 1, 0.9, 0.9), "s": f32(1, 1, 2, 2)}, "tf_crop_and_resize"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    body, options, message = REFUSED[name]
    proto = model(body, **options)
    before = proto.SerializeToString()
    with pytest.raises(ModelError, match=message):
        adapt(proto, (MEAN, STD), inplace=True)
    assert proto.SerializeToString() == before
    with pytest.raises(ModelError, match='how="expand" works with any network'):
        adapt(proto, (MEAN, STD))


@pytest.mark.parametrize(
    "name", ["a matrix", "a mean image", "a branch", "quantized", "a nonlinear function"]
)
def test_expand_works_with_them(name):
    body, options, _ = REFUSED[name]
    proto = model(body, **options)
    adapted = adapt(proto, (MEAN, STD), how="expand")
    assert_valid(adapted)
    x = gray(1, 1, *((13, 13) if name == "a matrix" else (12, 13)))
    others = {"c": np.array(False)} if name == "a branch" else {}
    for g, e in zip(run(adapted, x=x, **others), run(proto, x=planes(x), **others), strict=True):
        assert np.abs(g - e).max() <= 1e-5 * np.abs(e).max()


@pytest.mark.parametrize(
    ("stats", "options", "message"),
    [
        (None, {}, "say how the images were normalized"),
        (None, {"how": "expand"}, "say how the images were normalized"),
        ((MEAN, STD), {"how": "learned"}, "ONNX models are for inference"),
        ((MEAN, STD), {"layer": "node7"}, "isn't there, did you mean 'node[01]'"),
        (
            (MEAN, STD),
            {"layer": "node1"},
            "isn't a convolution that sees the image .*goes into 'node0'",
        ),
        ((MEAN, STD), {"example": "large"}, r"example is the size of an image"),
        ((MEAN, STD), {"example": 2}, r"can't be run.*example=\(height, width\)"),
        ((MEAN, STD), {"example": (9, 9, 9)}, "example is 2 sides of an image here"),
        ((MEAN, STD), {"freeze": True}, "freeze=True"),
    ],
)
def test_arguments(stats, options, message):
    with pytest.raises(ModelError, match=message):
        adapt(model("a = Conv(x, w) y = Relu(a)"), stats, **options)


def test_layer_names_the_image_among_several_inputs():
    proto = model(
        "a = Conv(x, w) b = Flatten(z) y = Add(a, t) q = Relu(b)",
        given="float[N, 3, H, W] x, float[N, 3, H, W] z", t=f32(0),
        out="float[N, 8, P, Q] y, float[N, K] q",
    )  # fmt: skip
    with pytest.raises(ModelError, match="goes into Flatten"):
        adapt(proto, (MEAN, STD))
    adapted = adapt(proto, (MEAN, STD), layer="node0")
    x, z = gray(1, 1, 9, 9), gray(1, 3, 9, 9)
    assert_same(run(adapted, x=x, z=z), run(proto, x=planes(x), z=z))
    several = way("several stems")[0]
    with pytest.raises(ModelError, match="the image goes into 'node2', 'node3' too"):
        adapt(several, (MEAN, STD), layer="node0")
    assert adapt(several, (MEAN, STD), layer=["node0", "node2", "node3"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("float[N, 4, H, W] x", r"no input has 3 channels.*'x' \(N, 4, H, W\) float"),
        ("float[N, 3] x", "no input has 3 channels"),
    ],
)
def test_no_image(given, message):
    proto = model(
        "y = Neg(x)", given=given, out="float[N, ?, ?, ?] y" if "H" in given else "float[N, 3] y"
    )
    with pytest.raises(ModelError, match=message):
        adapt(proto, (MEAN, STD))


def test_an_input_of_no_shape():
    proto = model(CONV % "x")
    proto.graph.input[0].type.tensor_type.ClearField("shape")
    with pytest.raises(ModelError, match="the model's inputs: 'x' of unknown axes float"):
        adapt(proto, (MEAN, STD))


def test_nothing_tells_the_axis():
    proto = model("y = Neg(x)", given="float[?, ?, ?, ?] x", out="float[?, ?, ?, ?] y")
    with pytest.raises(ModelError, match="axis 1 or 3"):
        adapt(proto, (MEAN, STD), how="expand")
    proto.graph.input[0].type.tensor_type.shape.dim[3].denotation = "DATA_CHANNEL"
    x = gray(2, 5, 6, 1)
    adapted = adapt(proto, (MEAN, STD), how="expand")
    assert_same(run(adapted, x=x), run(proto, x=planes(x, axis=3)))


class TestFloat16:
    """Rounded once: as near to the float network as the original is."""

    def half(self, body, dims="N, 3, H, W", **tensors):
        tensors = {k: v.astype(np.float16) if v.dtype == np.float32 else v
            for k, v in {"w": KERNEL, **tensors}.items()}  # fmt: skip
        return model(body, given=f"float16[{dims}] x", out="float16[N, 8, P, Q] y", **tensors)

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    @pytest.mark.parametrize("limits", [(0, 1), (0, 255)])
    @pytest.mark.parametrize("name", ["padded", "normalized inside", "not padded", "padded before"])
    def test_as_near_as_the_original(self, name, limits, how):
        body, tensors = WAYS[name]
        half = self.half(body, **tensors)
        unit = gray(2, 1, 32, 33)
        x = (unit * limits[1]).astype(np.float16)
        unit = x.astype(np.float64) / limits[1]
        [truth] = run(model(body, **tensors), x=planes(unit))
        [before] = run(half, x=planes(unit).astype(np.float16))
        adapted = adapt(half, (MEAN, STD), value_range=limits, how=how)
        assert_valid(adapted)
        [after] = run(adapted, x=x)
        assert after.dtype == np.float16
        error = [np.abs(y.astype(np.float32) - truth).mean() for y in (before, after)]
        assert error[1] <= 2 * error[0]

    def test_proof(self):
        half = self.half(CONV % "x")
        adapted = adapt(half, (MEAN, STD))
        proof = verify(half, adapted, gray(2, 12, 13), (MEAN, STD), seconds=0, tolerance=0.2)
        assert proof.max_difference > 1e-4
        assert proof.passed

    def test_float_in(self):
        """A converted model that keeps its inputs casts them first."""
        body = "a = Cast <to = 10> (x) b = Conv <pads = [1, 1, 1, 1]> (a, h) y = Cast <to = 1> (b)"
        proto = model(body, h=KERNEL.astype(np.float16))
        adapted = adapt(proto, (MEAN, STD))
        x = gray(2, 1, 12, 13)
        assert_same(run(adapted, x=x), run(proto, x=planes(x)), 2e-3)

    def test_bfloat16(self):
        """ONNX Runtime's CPU doesn't run it; ONNX's own evaluator does."""
        proto = parser.parse_model(
            '<ir_version: 10, opset_import: ["": 22]> net (bfloat16[N, 3, H, W] x) '
            "=> (bfloat16[N, 8, P, Q] y) {" + CONV % "x" + "}"
        )
        proto.graph.initializer.append(
            helper.make_tensor("w", TensorProto.BFLOAT16, KERNEL.shape, KERNEL.ravel())
        )
        adapted = adapt(proto, (MEAN, STD))
        onnx.checker.check_model(adapted, full_check=True)
        kernel = next(t for t in adapted.graph.initializer if t.name == "w_gray")
        assert (kernel.data_type, list(kernel.dims)) == (TensorProto.BFLOAT16, [8, 2, 3, 3])


class TestProof:
    def test_figures(self):
        proto = model(CONV % "x")
        images = gray(5, 16, 18)
        proof = verify(proto, adapt(proto, (MEAN, STD)), images, (MEAN, STD), seconds=0.02)
        assert proof.passed
        assert proof.stem_difference.shape == (16, 18)
        assert max(proof.border_difference, proof.inside_difference) < 1e-5
        assert proof.original_s.rounds >= 5
        assert proof.batch == (5, 1, 16, 18)

    @pytest.mark.parametrize("name", ["padded", "padded before", "channels last, arithmetic"])
    def test_a_bias_in_place_of_the_ones_differs_at_the_border_alone(self, name):
        proto = way(name)[0]
        adapted = adapt(proto, (MEAN, STD))
        pad = next(n for n in adapted.graph.node if n.output[0].endswith("_and_ones"))
        stem = next(n for n in adapted.graph.node if n.op_type == "Conv")
        tensors = {t.name: t for t in adapted.graph.initializer}
        weights = numpy_helper.to_array(tensors[stem.input[1]])
        bias = weights[:, 1].sum((1, 2))
        tensors[stem.input[1]].CopyFrom(numpy_helper.from_array(weights[:, :1], stem.input[1]))
        adapted.graph.initializer.append(numpy_helper.from_array(bias, "b"))
        stem.input.append("b")
        for node in adapted.graph.node:
            for k, used in enumerate(node.input):
                if used == pad.output[0]:
                    node.input[k] = pad.input[0]
        adapted.graph.node.remove(pad)
        onnx.checker.check_model(adapted)
        proof = verify(proto, adapted, gray(2, 16, 18), (MEAN, STD), seconds=0)
        assert not proof.passed
        assert proof.border_difference > 0.1
        assert proof.inside_difference < 1e-5

    def test_expand_is_followed_too(self):
        proto = model(CONV % "x")
        adapted = adapt(proto, (MEAN, STD), how="expand")
        proof = verify(proto, adapted, gray(2, 16, 18), (MEAN, STD), seconds=0)
        assert proof.max_difference == 0
        assert proof.stem_difference.max() == 0

    def test_classes(self):
        body = "a = Conv(x, w) b = GlobalAveragePool(a) y = Flatten(b)"
        proto = model(body, out="float[N, 8] y")
        proof = verify(proto, adapt(proto, (MEAN, STD)), gray(5, 16, 18), (MEAN, STD), seconds=0)
        assert (proof.top1, proof.top5) == (1, 1)

    @pytest.mark.parametrize("kind", ["one size", "several"])
    def test_one_image_at_a_time(self, kind):
        proto = way("one image")[0]
        images = [gray(12, 13), gray(14, 9) if kind == "several" else gray(12, 13, seed=1)]
        assert verify(proto, adapt(proto, (MEAN, STD)), images, (MEAN, STD), seconds=0).passed

    @pytest.mark.parametrize(
        ("layer", "message"),
        [("node1", "'node1' isn't a conv"), ("nothing", "no convolution 'nothing'")],
    )
    def test_named_wrong(self, layer, message):
        proto = model(CONV.replace("y", "a") % "x" + " y = Relu(a)")
        with pytest.raises(ModelError, match=f"{message}.*leave layer out"):
            verify(proto, adapt(proto, (MEAN, STD)), gray(1, 9, 9), (MEAN, STD), layer=layer)

    def test_what_cannot_be_run(self):
        proto = model(CONV % "x")
        broken = type(proto).FromString(proto.SerializeToString())
        broken.graph.node[0].input[1] = "nothing"
        with pytest.raises(ModelError, match="can't load the model"):
            verify(broken, adapt(proto, (MEAN, STD)), gray(1, 9, 9), (MEAN, STD))
        large = model("a = Reshape(x, s) " + CONV % "a", s=ints(1, 3, 9, 9))
        with pytest.raises(ModelError, match="ONNX Runtime can't run the model"):
            verify(large, adapt(large, (MEAN, STD), how="expand"), gray(2, 9, 9), (MEAN, STD))


OPERATORS = {
    "Add": "Add(%s, c3)", "Sub": "Sub(c1, %s)", "Mul": "Mul(%s, f3)",
    "Div": "Div(%s, f1)", "Neg": "Neg(%s)",
    "zeros": "Pad(%s, p)", "number": "Pad(%s, p, v)",
    "reflect": 'Pad <mode = "reflect"> (%s, p)',
    "edge": 'Pad <mode = "edge"> (%s, p)',
    "reverse": "Gather <axis = 1> (%s, i)", "pick": "Gather <axis = 1> (%s, j)",
    "crop": "Slice(%s, one, end, two)", "pool":
        "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1> (%s)",
    "turn": "Transpose <perm = [0, 1, 3, 2]> (%s)",
    "resize": 'Resize <mode = "linear"> (%s, , z)',
    "double": "Concat <axis = 1> (%s, %s)",
    "batch": "BatchNormalization(%s, b1, b2, b3, b4)",
}  # fmt: skip
CONSTANTS = {
    "c3": f32(0.3, -0.4, 0.5, shape=(3, 1, 1)), "c1": f32(0.7),
    "f3": f32(1.5, 0.5, 2, shape=(3, 1, 1)), "f1": f32(0.8), "v": np.float32(0.6),
    "p": ints(0, 0, 1, 2, 0, 0, 2, 1), "i": ints(2, 1, 0), "j": ints(1, 1, 0),
    "one": ints(1), "end": ints(1 << 40), "two": ints(2),
    "z": f32(1, 1, 1.5, 2), "b1": f32(1, 2, 3), "b2": f32(3, 2, 1), "b3": f32(0.1, 0.2, 0.3),
    "b4": f32(0.5, 1, 2),
}  # fmt: skip


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from([name for name in OPERATORS if name != "double"]), max_size=6),
    st.booleans(),
    st.booleans(),
)
def test_any_chain_of_these(chain, padded, doubled):
    """Whatever the order, arithmetic after padding after arithmetic too."""
    value, body = "x", ""
    for count, name in enumerate([*chain, *(["double"] if doubled else [])]):
        node = OPERATORS[name].replace("%s", value)
        value = f"v{count}"
        body += f"{value} = {node} "
    pads = "<pads = [1, 1, 1, 1]> " if padded else ""
    kernel = np.concatenate((KERNEL, KERNEL[::-1]), 1) if doubled else KERNEL
    proto = model(f"{body}y = Conv {pads}({value}, w)", **{**CONSTANTS, "w": kernel})
    x = gray(2, 1, 10, 11)
    adapted = adapt(proto, (MEAN, STD))
    assert_valid(adapted)
    assert_same(run(adapted, x=x), run(proto, x=planes(x)), 1e-5)
    operators = {node.op_type for node in adapted.graph.node}
    assert not operators & {"Add", "Sub", "Mul", "Div", "Neg", "Gather", "BatchNormalization"}


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path):
        """A model with its tensors in a file beside it."""
        proto = model(
            "a = Conv <pads = [1, 1, 1, 1]> (x, w) y = Conv(a, v)",
            v=RNG.standard_normal((8, 8, 3, 3)).astype(np.float32),
        )
        folder = tmp_path / "source"
        folder.mkdir()
        onnx.save(proto, folder / "net.onnx", save_as_external_data=True, location="net.data",
            size_threshold=0)  # fmt: skip
        return folder / "net.onnx"

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_tensors_outside_stay_outside(self, path, tmp_path, how):
        out = tmp_path / "gray.onnx"
        adapt_file(path, out, (MEAN, STD), how=how)
        written = onnx.load(out, load_external_data=False)
        outside = {t.name: t.external_data[0].value for t in written.graph.initializer
            if t.external_data}  # fmt: skip
        assert outside["v"] == "gray.onnx.data"
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "gray.onnx", "gray.onnx.data", "source"
        ]  # fmt: skip
        onnx.checker.check_model(out, full_check=True)
        proof = verify(path, out, gray(2, 16, 18), (MEAN, STD), seconds=0)
        assert proof.passed
        assert proof.stem_difference is not None

    def test_without_dst_they_are_in_memory(self, path):
        adapted = adapt(str(path), (MEAN, STD))
        assert not any(t.external_data for t in adapted.graph.initializer)
        assert_valid(adapted)
        assert verify(path, adapted, gray(2, 16, 18), (MEAN, STD), seconds=0).passed

    def test_a_file_for_each_tensor(self, path, tmp_path):
        proto = onnx.load(path)
        many = tmp_path / "many"
        many.mkdir()
        onnx.save(proto, many / "net.onnx", save_as_external_data=True, size_threshold=0,
            all_tensors_to_one_file=False)  # fmt: skip
        out = tmp_path / "gray.onnx"
        adapt_file(many / "net.onnx", out, (MEAN, STD))
        assert verify(many / "net.onnx", out, gray(2, 16, 18), (MEAN, STD), seconds=0).passed
        assert (tmp_path / "gray.onnx.data").exists()

    def test_onto_itself(self, path):
        x = gray(2, 1, 16, 18)
        expected = run(onnx.load(path), x=planes(x))
        adapt_file(path, path, (MEAN, STD))
        assert_same(run(onnx.load(path), x=x), expected, 1e-5)

    def test_a_model_in_memory(self, path, tmp_path):
        proto = onnx.load(path)
        onnx.save(adapt(proto, (MEAN, STD)), tmp_path / "gray.onnx")
        assert verify(proto, tmp_path / "gray.onnx", gray(2, 9, 9), (MEAN, STD), seconds=0).passed

    def test_tensors_that_were_not_loaded(self, path, tmp_path):
        proto = onnx.load(path, load_external_data=False)
        with pytest.raises(ModelError, match=r"wasn't loaded: onnx.load\(path\) loads it"):
            adapt(proto, (MEAN, STD))
        with pytest.raises(ModelError, match="pass its path"):
            verify(proto, proto, gray(2, 9, 9), (MEAN, STD))

    def test_tensors_that_are_not_there(self, path, tmp_path):
        (path.parent / "net.data").unlink()
        with pytest.raises(ModelError, match="can't be read"):
            adapt(path, (MEAN, STD))
        with pytest.raises(ModelError, match="can't be read"):
            adapt_file(path, tmp_path / "gray.onnx", (MEAN, STD))
        assert not (tmp_path / "gray.onnx").exists()

    def test_tensors_elsewhere(self, path, tmp_path):
        """A model can't make us copy files from outside of its folder."""
        proto = onnx.load(path, load_external_data=False)
        (tmp_path / "secret").write_bytes(bytes(10_000))
        for tensor in proto.graph.initializer:
            if tensor.name == "v":
                tensor.external_data[0].value = "../secret"
        path.write_bytes(proto.SerializeToString())
        with pytest.raises(ModelError, match="outside of the model's folder"):
            adapt_file(path, tmp_path / "gray.onnx", (MEAN, STD))

    @pytest.mark.parametrize("content", [b"", b"no model", None])
    def test_no_model(self, tmp_path, content):
        path = tmp_path / "net.onnx"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(
            FileNotFoundError if content is None else ModelError, match=r"net\.onnx"
        ):
            adapt(path, (MEAN, STD))

    def test_a_name_in_capitals(self, path, tmp_path):
        capitals = tmp_path / "NET.ONNX"
        capitals.write_bytes(onnx.load(path).SerializeToString())
        assert adapt(capitals, (MEAN, STD)) == adapt(path, (MEAN, STD))

    def test_other_files(self):
        with pytest.raises(ModelError, match=r"adapt_file\(path, dst, stats"):
            adapt("net.safetensors", (MEAN, STD))
        with pytest.raises(ModelError, match=r"adapt_file\(src, dst\)"):
            adapt("net.onnx", (MEAN, STD), inplace=True)


def test_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapt(model(CONV % "x"), (MEAN, STD))
