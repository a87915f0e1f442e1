"""The proof of ONNX models, and models in float16."""

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ...support import needs_package

needs_package("onnx", "onnxruntime")

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper, parser  # noqa: E402

from .graphs import (  # noqa: E402
    CONV,
    KERNEL,
    MEAN,
    STD,
    WAYS,
    assert_same,
    assert_valid,
    gray,
    ints,
    model,
    planes,
    run,
    way,
)


class TestFloat16:
    """Weights are rounded once, so the result is as near to float32 as the original is."""

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
        """ONNX Runtime's CPU can't run bfloat16, so ONNX's own evaluator runs it."""
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
        bias = weights[:, 1].sum((1, 2)) * numpy_helper.to_array(tensors[pad.input[2]])
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
        assert proof.border_difference > 0.01  # the rest beside the center is small
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
