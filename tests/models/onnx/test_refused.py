"""ONNX models that are refused, and the messages."""

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs_package

needs_package("onnx", "onnxruntime")


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
    way,
)

# name: nodes, the rest of model(), the message
REFUSED = {
    "a matrix": ("a = Flatten(x) y = MatMul(a, v)", {"v": f32(*range(507), shape=(507, 1)),
        "out": "float[N, 1] y"},
        "has its sides, which aren't fixed, merged with its channels in Flatten 'node0'"),
    "its own mean": ("a = ReduceMean <axes = [2, 3]> (x) b = Sub(x, a) " + CONV % "b", {},
        r"goes into ReduceMean 'node0'; goes into Sub 'node1', whose other operand is computed"),
    "itself": ("a = Mul(x, x) " + CONV % "a", {}, "goes into Mul 'node0' twice"),
    "a mean image": ("a = Sub(x, m) " + CONV % "a", {"m": gray(1, 3, 12, 13),
        "given": "float[N, 3, 12, 13] x"}, "meets other numbers at each pixel in Sub"),
    "a division by it": ("a = Div(m, x) " + CONV % "a", {"m": f32(1)},
        "is what Div 'node0' divides by"),
    "zero": ("a = Div(x, m) " + CONV % "a", {"m": f32(0)}, "becomes infinite"),
    "quantized": ("a = QuantizeLinear(x, s, z) b = DequantizeLinear(a, s, z) " + CONV % "b",
        {"s": np.float32(0.02), "z": np.uint8(128)},
        "is quantized by QuantizeLinear 'node0': adapt the float model"),
    "a nonlinear function": ("a = Relu(x) " + CONV % "a", {}, "as three different planes"),
    "a kernel that is computed": ("v = Add(w, t) " + CONV.replace("w", "v") % "x",
        {"given": "float[N, 3, H, W] x, float[1] t"}, "whose kernel is computed at each run"),
    "itself as a kernel": ("v = Identity(x) " + CONV.replace("w", "v") % "x",
        {"out": "float[N, M, P, Q] y"}, "not as its first input"),
    "more channels": ("a = Pad(x, p) y = Conv(a, v)", {"p": ints(0, 0, 0, 0, 0, 1, 0, 0),
        "v": gray(8, 4, 3, 3)}, "gets more channels in Pad"),
    "something beside it": ("a = Unsqueeze(z, i) b = Concat <axis = 0> (x, a) " + CONV % "b",
        {"given": "float[N, 3, H, W] x, float[3, H, W] z", "i": ints(0)},
        "put together with something else"),
    "other images beside it": ("a = Neg(x) b = Concat <axis = 0> (x, a) " + CONV % "b", {},
        "put together with an image of other channels"),
    "its sides as channels": ("a = Reshape(x, s) y = Conv(a, v)", {"s": ints(0, -1, 4, 4),
        "v": gray(8, 3, 3, 3)}, "sides, which aren't fixed, merged with its channels"),
    "channels cut into parts": ("a = Gather <axis = 1> (x, i) b = Reshape(a, s) y = Conv(b, v)",
        {"i": ints(0, 1, 2, 0, 1, 2), "s": ints(0, 2, 3, -1), "v": gray(8, 2, 3, 3)},
        "has its channels cut into parts by Reshape"),
    "too many channels": ("a = Flatten(x) y = Gemm(a, v)", {"given": "float[N, 3, 96, 96] x",
        "v": gray(27648, 2), "out": "float[N, 2] y"}, "flattened to 27648 channels"),
    "a matrix for each pixel": ("y = MatMul(x, v)", {"v": gray(5, 4),
        "given": "float[N, 3, H, 5] x", "out": "float[N, 3, H, 4] y"},
        "goes into MatMul 'node0' with its channels on axis 1"),
    "a sum that keeps its channels": ('y = Einsum <equation = "nchw,oh->ncow"> (x, v)',
        {"given": "float[N, 3, 8, W] x", "v": gray(4, 8), "out": "float[N, 3, 4, W] y"},
        "keeps its channels apart"),
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
    with pytest.raises(ModelError, match="in Flatten 'node1'"):
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
