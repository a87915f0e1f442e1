"""Small ONNX models made by hand, and the helpers of their tests."""

import numpy as np

from ...support import needs_package

needs_package("onnx", "onnxruntime")

import onnx  # noqa: E402
import onnxruntime  # noqa: E402
from onnx import numpy_helper, parser  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
RNG = np.random.default_rng(0)
KERNEL = RNG.standard_normal((8, 3, 3, 3)).astype(np.float32)
CONV = "y = Conv <pads = [1, 1, 1, 1]> (%s, w)"


def model(body, given="float[N, 3, H, W] x", out="float[N, 8, P, Q] y", opset=17, ir=8, **tensors):
    """Return a model of nodes; ``w`` is the stem's kernel unless another is given."""
    text = f'<ir_version: {ir}, opset_import: ["": {opset}]> net ({given}) => ({out}) {{{body}}}'
    made = parser.parse_model(text)
    for count, node in enumerate(made.graph.node):
        node.name = f"node{count}"
    for name, values in {"w": KERNEL, **tensors}.items():
        made.graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    onnx.checker.check_model(made, full_check=True)
    return made


def f32(*numbers, shape=None):
    """Return an array of float32."""
    values = np.array(numbers, np.float32)
    return values if shape is None else values.reshape(shape)


def ints(*numbers):
    """Return an array of int64."""
    return np.array(numbers, np.int64)


def run(proto, **inputs):
    """Return a model's outputs by ONNX Runtime."""
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)


def planes(gray, mean=MEAN, std=STD, axis=1):
    """Return the gray three times, normalized."""
    shape = [-1 if k == axis else 1 for k in range(gray.ndim)]
    mean, std = (np.broadcast_to(np.array(v, float), 3).reshape(shape) for v in (mean, std))
    return ((gray - mean) / std).astype(np.float32)


def gray(*shape, seed=0):
    """Return random gray images of values from 0 to 1."""
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def assert_same(given, expected, tolerance=2e-6):
    """Check that outputs are equal up to rounding, relative to the largest value."""
    for g, e in zip(given, expected, strict=True):
        assert g.shape == e.shape
        assert np.abs(g - e).max() <= tolerance * max(1, np.abs(e).max())


def assert_valid(adapted):
    """Check that a model is valid ONNX, and that every shape can be inferred."""
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
    "joined along its height": ("a = Concat <axis = 2> (x, x) " + CONV % "a", {}),
    "cropped along its channels and height": (
        "a = Slice(x, s, e, i) y = Conv(a, v)",
        {"s": ints(0, 1), "e": ints(2, 9), "i": ints(1, 2), "v": KERNEL[:, :2]}),
    "no names for its sizes": (CONV % "x", {"given": "float[?, ?, ?, ?] x"}),
}  # fmt: skip


def way(name):
    """Return a model of :data:`WAYS` and the axis of its channels."""
    body, options, *axis = WAYS[name]
    return model(body, **options), axis[0] if axis else 1


def image_shape(proto, axis, channels=1):
    """Return a small shape for the input; unknown sizes are those of 2 images of 12 x 14."""
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    free = iter([2, 12, 14] if len(dims) == 4 else [2, 4, 12, 14] if len(dims) == 5 else [12, 14])
    sizes = []
    for k, dim in enumerate(dims):
        fixed = dim.dim_value if dim.HasField("dim_value") else 0
        sizes.append(channels if k == axis else fixed or next(free))
        if k == 0 and fixed:
            next(free)
    return sizes
