"""ONNX models whose first layers see patches, videos, masks or matrices instead of an image."""

import numpy as np
import pytest

from graytorgb.models import adapt

from ...support import needs_package

needs_package("onnx", "onnxruntime")

from onnx import numpy_helper  # noqa: E402

from .graphs import (  # noqa: E402
    CONV,
    MEAN,
    STD,
    assert_same,
    assert_valid,
    f32,
    gray,
    ints,
    model,
    planes,
    run,
)

RNG = np.random.default_rng(1)
UNSHUFFLE = ("a = Reshape(x, s) b = Transpose <perm = [0, 1, 3, 5, 2, 4]> (a) c = Reshape(b, t) "
    "y = Conv <pads = [1, 1, 1, 1]> (c, v)")  # fmt: skip


def weights(*shape):
    """Return random weights."""
    return RNG.standard_normal(shape).astype(np.float32)


# name: nodes, the rest of model(), the shape of the gray, the operators of the adapted model
MODELS = {
    "pixel_unshuffle": (
        UNSHUFFLE, {"given": "float[2, 3, 8, 12] x", "s": ints(2, 3, 4, 2, 6, 2),
        "t": ints(2, 12, 4, 6), "v": weights(8, 12, 3, 3)}, (2, 1, 8, 12),
        "Reshape Transpose Reshape Sub Pad Conv"),
    "pixel_unshuffle of any batch": (
        UNSHUFFLE, {"given": "float[N, 3, 8, 12] x", "s": ints(-1, 3, 4, 2, 6, 2),
        "t": ints(-1, 12, 4, 6), "v": weights(8, 12, 3, 3)}, (2, 1, 8, 12),
        "Reshape Transpose Reshape Sub Pad Conv"),
    "pixel_unshuffle of any size": (
        "z = Shape(x) n = Gather(z, i0) h = Gather(z, i2) w = Gather(z, i3) p = Div(h, i2) "
        "q = Div(w, i2) s = Concat <axis = 0> (n, i3, p, i2, q, i2) "
        "t = Concat <axis = 0> (n, twelve, p, q) " + UNSHUFFLE.replace("v)", "k)"),
        {"i0": ints(0), "i2": ints(2), "i3": ints(3), "twelve": ints(12), "w": None,
         "k": weights(8, 12, 3, 3)}, (2, 1, 8, 12), None),
    "space to depth": (
        "a = SpaceToDepth <blocksize = 2> (x) y = Conv <pads = [1, 1, 1, 1]> (a, v)",
        {"v": weights(8, 12, 3, 3)}, (2, 1, 8, 12), "SpaceToDepth Sub Pad Conv"),
    "patches": (
        "a = Reshape(x, s) b = Transpose <perm = [0, 2, 4, 1, 3, 5]> (a) c = Reshape(b, t) "
        "d = MatMul(c, v) y = Add(d, e)",
        {"given": "float[N, 3, 8, 12] x", "s": ints(0, 3, 2, 4, 3, 4), "t": ints(0, 6, 48),
         "v": weights(48, 8), "e": weights(8), "out": "float[N, L, 8] y"}, (2, 1, 8, 12),
        "Reshape Transpose Reshape MatMul Add Add"),
    "patches, channels last": (
        "a = Reshape(x, s) b = Transpose <perm = [0, 1, 3, 2, 4, 5]> (a) c = Reshape(b, t) "
        "y = MatMul(c, v)",
        {"given": "float[N, 8, 12, 3] x", "s": ints(0, 2, 4, 3, 4, 3), "t": ints(0, -1, 48),
         "v": weights(48, 8), "out": "float[N, L, 8] y"}, (2, 8, 12, 1),
        "Reshape Transpose Reshape MatMul Add"),
    "patches, as torch exports unfold": (
        "a = Gather <axis = 2> (x, i) b = Gather <axis = 4> (a, j) "
        "c = Transpose <perm = [0, 1, 2, 4, 3, 5]> (b) d = Reshape(c, s) "
        "e = Transpose <perm = [0, 2, 1]> (d) y = MatMul(e, v)",
        {"given": "float[N, 3, 8, 12] x", "i": np.arange(8).reshape(2, 4).T.copy(),
         "j": np.arange(12).reshape(3, 4).T.copy(), "s": ints(0, 48, -1), "v": weights(48, 8),
         "out": "float[N, L, 8] y"}, (2, 1, 8, 12),
        "Gather Gather Transpose Reshape Transpose MatMul Add"),
    "all pixels": (
        "a = Flatten(x) y = Gemm <transB = 1, alpha = 0.5, beta = 2.0> (a, v, e)",
        {"given": "float[N, 3, 4, 5] x", "v": weights(8, 60), "e": weights(8),
         "out": "float[N, 8] y"}, (2, 1, 4, 5), "Flatten Gemm"),
    "a matrix for the channels": (
        "y = MatMul(x, v)", {"given": "float[N, H, W, 3] x", "v": weights(3, 8),
        "out": "float[N, H, W, 8] y"}, (2, 6, 7, 1), "MatMul Add"),
    "a matrix on the left": (
        "a = Reshape(x, s) y = MatMul(v, a)", {"s": ints(0, 0, -1), "v": weights(8, 3),
        "out": "float[N, 8, L] y"}, (2, 1, 6, 7), "Reshape MatMul Add"),
    "a sum over channels": (
        'y = Einsum <equation = "nchw,oc->nhwo"> (x, v)', {"v": weights(8, 3),
        "out": "float[N, P, Q, 8] y"}, (2, 1, 6, 7), "Einsum Add"),
    "a sum over channels and pixels": (
        'y = Einsum <equation = "ochw,nchw->no"> (v, x)', {"v": weights(8, 3, 4, 5),
        "given": "float[N, 3, 4, 5] x", "out": "float[N, 8] y"}, (2, 1, 4, 5), "Einsum Add"),
    "standardized weights": (
        "m = ReduceMean <axes = [1, 2, 3]> (w) q = Sub(w, m) p = Mul(q, q) "
        "r = ReduceMean <axes = [1, 2, 3]> (p) d = Sqrt(r) k = Div(q, d) "
        "y = Conv <pads = [1, 1, 1, 1]> (x, k)", {}, (2, 1, 6, 7), "Sub Pad Conv"),
    "frames as images": (
        "a = Reshape(x, s) " + CONV % "a", {"given": "float[N, T, 3, 6, 7] x",
        "s": ints(-1, 3, 6, 7)}, (2, 4, 1, 6, 7), "Reshape Sub Pad Conv"),
    "a frame": (
        "a = Gather <axis = 1> (x, i) y = Conv(a, w)", {"given": "float[N, T, 3, H, W] x",
        "i": np.int64(1)}, (2, 4, 1, 6, 7), "Gather Conv"),
    "frames as a volume": (
        "a = Transpose <perm = [0, 2, 1, 3, 4]> (x) y = Conv(a, v)",
        {"given": "float[N, T, 3, H, W] x", "v": weights(4, 3, 2, 3, 3),
         "out": "float[N, 4, A, B, C] y"}, (2, 4, 1, 6, 7), "Transpose Conv"),
    "the sum of channels": (
        "r, g, b = Split <axis = 1> (x, s) p = Mul(r, k) q = Sub(p, g) d = Add(q, b) "
        "y = Conv <pads = [1, 1, 1, 1]> (d, v)",
        {"s": ints(1, 1, 1), "k": f32(0.3), "v": weights(8, 1, 3, 3)}, (2, 1, 6, 7), "Sub Conv"),
    "a channel that is assigned": (
        "g = Gather <axis = 1> (x, i) p = Mul(g, k) u = Unsqueeze(p, j) z = Shape(u) "
        "e = Expand(i, z) a = ScatterElements <axis = 1> (x, e, u) " + CONV % "a",
        {"i": np.int64(2), "k": f32(0.3), "j": ints(1)}, (2, 1, 6, 7), "Sub Pad Conv"),
    "halves beside each other": (
        "a, b = Split <axis = 3> (x, s) c = Concat <axis = 0> (a, b) " + CONV % "c",
        {"given": "float[N, 3, H, 8] x", "s": ints(4, 4)}, (2, 1, 6, 8),
        "Split Concat Sub Pad Conv"),
    "any number of channels": (CONV % "x", {"given": "float[N, C, 32, 32] x"}, (2, 1, 32, 32),
        "Sub Pad Conv"),
}  # fmt: skip


@pytest.mark.parametrize("how", ["collapse", "expand"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model(name, how):
    body, options, shape, operators = MODELS[name]
    proto = model(body, **{k: v for k, v in options.items() if v is not None}) if (
        options.get("w", 0) is not None
    ) else without_kernel(body, options)  # fmt: skip
    x = gray(*shape)
    adapted = adapt(proto, (MEAN, STD), how=how)
    assert_valid(adapted)
    assert adapted.graph.output == proto.graph.output
    axis = shape.index(1)
    assert_same(run(adapted, x=x), run(proto, x=planes(x, axis=axis)), 1e-5)
    if how == "collapse" and operators is not None:
        assert " ".join(node.op_type for node in adapted.graph.node) == operators


def without_kernel(body, options):
    """Return a model without the tensor ``w``, whose name one of its values has."""
    body = body.replace("w = Gather", "width = Gather").replace("Div(w, ", "Div(width, ")
    return model(body, **{k: v for k, v in options.items() if k != "w"})


def test_a_mask_beside_the_image():
    """The mask is a plane of its own, and a factor of each pixel, ones included."""
    given = "float[N, 3, H, W] x, float[N, 1, H, W] z"
    mask = (gray(2, 1, 6, 7, seed=1) > 0.5).astype(np.float32)
    x = gray(2, 1, 6, 7)
    for body, kernel, operators in (
        ("a = Concat <axis = 1> (x, z) y = Conv <pads = [1, 1, 1, 1]> (a, v)", weights(8, 4, 3, 3),
            "Concat Pad Conv"),
        ("a = Mul(x, z) y = Conv(a, v)", weights(8, 3, 3, 3), "Sub Pad Mul Conv"),
        ("a = Mul(z, x) y = Conv(a, v)", weights(8, 3, 3, 3), "Sub Pad Mul Conv"),
    ):  # fmt: skip
        proto = model(body, given=given, v=kernel)
        adapted = adapt(proto, (MEAN, STD))
        assert_valid(adapted)
        assert " ".join(node.op_type for node in adapted.graph.node) == operators
        assert_same(run(adapted, x=x, z=mask), run(proto, x=planes(x), z=mask), 1e-5)


def test_a_mask_that_may_be_an_image():
    """Of inputs that state no channels, only those that lead to a stem are images."""
    proto = model(CONV % "x" + " q = Neg(z)", given="float[N, C, H, W] x, float[N, M, H, W] z",
        out="float[N, 8, P, Q] y, float[N, M, H, W] q")  # fmt: skip
    adapted = adapt(proto, (MEAN, STD))
    x, z = gray(1, 1, 6, 7), gray(1, 2, 6, 7)
    assert_same(run(adapted, x=x, z=z), run(proto, x=planes(x), z=z), 1e-5)


def test_one_kernel_for_two_images():
    proto = model("a = Conv(x, w) b = Conv(z, w) y = Sub(a, b)",
        given="float[N, 3, H, W] x, float[N, 3, H, W] z")  # fmt: skip
    adapted = adapt(proto, (MEAN, STD))
    assert [t.name for t in adapted.graph.initializer] == ["w_gray", "node0_bias_gray"]


@pytest.mark.parametrize(
    ("options", "span", "center"), [({}, 1, 0.4494), ({"value_range": (-1024, 3071)}, 4095, 816.3),
        ({"value_range": (0, 255)}, 255, 114.6), ({"normalized": (0.5, 0.25)}, 4, -0.202)],
)  # fmt: skip
def test_what_the_stem_sees(options, span, center):
    """The gray minus a center, and a plane of what the means differ from the center by at most.

    So the weights for the plane and those for the gray are of the same size.
    """
    adapted = adapt(model(CONV % "x"), (MEAN, STD), **options)
    tensors = {t.name: numpy_helper.to_array(t) for t in adapted.graph.initializer}
    assert tensors["x_centered_by"] == pytest.approx(center, abs=span / 1000)
    assert tensors["x_centered_and_ones_value"] == pytest.approx(0.0434 * span, abs=span / 1000)
    seen, ones = (np.abs(tensors["w_gray"][:, k]).max() for k in (0, 1))
    assert 0.5 < ones / seen < 2


def test_equal_means_leave_nothing_for_a_plane():
    adapted = adapt(model(CONV % "x"), "-1..1")
    assert [node.op_type for node in adapted.graph.node] == ["Sub", "Conv"]
    x = gray(2, 1, 6, 7)
    assert_same(run(adapted, x=x), run(model(CONV % "x"), x=planes(x, 0.5, 0.5)))


@pytest.mark.parametrize("kind", ["uint8", "float"])
def test_what_the_stem_sees_where_the_network_scales_bytes(kind):
    body = "q = Cast <to = 1> (x) b = Div(q, k) c = Sub(b, m) " + CONV % "c"
    proto = model(body, given=f"{kind}[N, 3, H, W] x", k=f32(255),
        m=f32(*MEAN, shape=(1, 3, 1, 1)))  # fmt: skip
    adapted = adapt(proto)
    tensors = {t.name: numpy_helper.to_array(t) for t in adapted.graph.initializer}
    subtraction, ones = (n for n in adapted.graph.node if n.op_type in ("Sub", "Pad"))
    center, level = tensors[subtraction.input[1]], tensors[ones.input[2]]
    assert center == pytest.approx(255 * np.mean(MEAN), 0.01)
    assert level == pytest.approx(255 * np.abs(np.mean(MEAN) - MEAN).max(), 0.01)
    x = (
        np.random.default_rng(0)
        .integers(0, 256, (2, 1, 6, 7))
        .astype(np.uint8 if kind == "uint8" else np.float32)
    )
    assert_same(run(adapted, x=x), run(proto, x=np.repeat(x, 3, 1)), 1e-5)
