"""ONNX models made by hand: every way to the stem, and the parts that stay."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ...support import needs_package

needs_package("onnx", "onnxruntime")

import onnx  # noqa: E402
from onnx import helper, numpy_helper, parser  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from .graphs import (  # noqa: E402
    CONV,
    KERNEL,
    MEAN,
    RNG,
    STD,
    WAYS,
    assert_same,
    assert_valid,
    f32,
    gray,
    image_shape,
    ints,
    model,
    planes,
    run,
    way,
)


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
    """For a stem that doesn't pad, only the kernel, a bias and the input's shape change."""
    proto = model("a = Conv(x, w) y = Relu(a)")
    adapted = adapt(proto, (MEAN, STD))
    assert [n.op_type for n in adapted.graph.node] == ["Conv", "Relu"]
    assert {t.name: list(t.dims) for t in adapted.graph.initializer} == {
        "w_gray": [8, 1, 3, 3], "node0_bias_gray": [8]
    }  # fmt: skip
    proto = model(CONV % "x")
    adapted = adapt(proto, (MEAN, STD))
    assert [n.op_type for n in adapted.graph.node] == ["Sub", "Pad", "Conv"]
    adapted = adapt(proto, (0, 1))
    assert [n.op_type for n in adapted.graph.node] == ["Conv"]
    adapted = adapt(way("channel by channel")[0])
    assert [n.op_type for n in adapted.graph.node] == ["Sub", "Pad", "Conv"]


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
    """In a change detector both images are gray, and they share a stem."""
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
    """New names differ from those in branches (ONNX), and from nodes' names (ONNX Runtime)."""
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

    def test_metadata_about_pixels(self, proto):
        def read_metadata(adapted):
            return {e.key: e.value for e in adapted.metadata_props}

        assert read_metadata(adapt(proto, (MEAN, STD))) == {
            "author": "someone", "Image.BitmapPixelFormat": "Gray8",
            "Image.NominalPixelRange": "Normalized_0_1",
            "graytorgb.preprocessing":
                "gray-input_mean_0.485_0.456_0.406_std_0.229_0.224_0.225",
        }  # fmt: skip
        pixels = "Image.NominalPixelRange"
        assert (
            read_metadata(adapt(proto, (MEAN, STD), value_range=(0, 255)))[pixels]
            == "NominalRange_0_255"
        )
        assert pixels not in read_metadata(adapt(proto, (MEAN, STD), value_range=(0, 4095)))

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_the_original(self, proto, how):
        before = proto.SerializeToString()
        adapt(proto, (MEAN, STD), how=how)
        assert proto.SerializeToString() == before
        assert adapt(proto, (MEAN, STD), how=how, inplace=True) is proto
        assert proto.SerializeToString() != before

    def test_weights_that_other_nodes_use(self):
        """Kernels and constants that other nodes use stay."""
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
    """Operators are folded in any order, arithmetic after padding too."""
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
    assert not operators & {"Add", "Mul", "Div", "Neg", "Gather", "BatchNormalization"}


def test_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        adapt(model(CONV % "x"), (MEAN, STD))
