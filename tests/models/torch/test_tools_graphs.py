"""Torch's compilers on adapted networks: script, trace, FX, export, compile and ONNX."""

import io
import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs, needs_package

needs("torchvision")
needs_package("onnxruntime", "onnxscript", "timm")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import onnxruntime
    import timm
    import torch
    from torch.fx.experimental import optimization
    from torchvision import models as tv
    from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from ..networks import MEAN, STD, assert_same_outputs, list_float_tensors  # noqa: E402
from .tool_pairs import (  # noqa: E402
    NETWORKS,
    SmallNetwork,
    assert_tool_keeps,
    make_pair,
)

# TorchScript warns at each use that it is old, and of what some networks contain
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning",
    "ignore:The TorchScript type system",
    "ignore:SSD always returns",
)


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    return make_pair(NETWORKS[request.param]())


def save_and_load(scripted):
    file = io.BytesIO()
    torch.jit.save(scripted, file)
    file.seek(0)
    return torch.jit.load(file)


def export_onnx(network, images, **options):
    """Export a network to ONNX, and return a function that ONNX Runtime runs."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if options["dynamo"]:
            program = torch.onnx.export(network, (images,), verbose=False, **options)
            program.save(file)
        else:
            torch.onnx.export(network, (images,), file, **options)
    session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
    [name] = [entry.name for entry in session.get_inputs()]
    return lambda x: [torch.from_numpy(v) for v in session.run(None, {name: x.numpy()})]


TOOLS = {
    "script": lambda network, images: torch.jit.script(network),
    "script twice": lambda network, images: [torch.jit.script(network) for _ in range(2)][-1],
    "script, save, load": lambda network, images: save_and_load(torch.jit.script(network)),
    "script, freeze": lambda network, images: torch.jit.freeze(torch.jit.script(network)),
    "script, optimize": lambda network, images: torch.jit.optimize_for_inference(
        torch.jit.script(network)
    ),
    "trace": torch.jit.trace,
    "trace, save, load": lambda network, images: save_and_load(torch.jit.trace(network, images)),
    "FX": lambda network, images: torch.fx.symbolic_trace(network),
    "FX twice": lambda network, images: torch.fx.symbolic_trace(torch.fx.symbolic_trace(network)),
    "FX, script": lambda network, images: torch.jit.script(torch.fx.symbolic_trace(network)),
    "FX, interpreter": lambda network, images: (
        torch.fx.Interpreter(torch.fx.symbolic_trace(network)).run
    ),
    "FX, fused": lambda network, images: optimization.fuse(network),
    "export": lambda network, images: torch.export.export(network, (images,)).module(),
    "strict export": lambda network, images: torch.export.export(
        network, (images,), strict=True
    ).module(),
    "compile": lambda network, images: torch.compile(network, backend="eager", fullgraph=True),
    "compile in place": lambda network, images: (
        network.compile(backend="eager", fullgraph=True),
        network,
    )[1],
}


@pytest.mark.parametrize("name", TOOLS)
def test_exact(pair, name):
    torch.compiler.reset()
    # freezing and fusing multiply the BatchNorm into the weights, which is rounded
    assert_tool_keeps(TOOLS[name], pair)


@pytest.mark.slow
def test_compiled_with_gradients(pair):
    torch.compiler.reset()
    assert_tool_keeps(
        lambda network, images: torch.compile(network, backend="aot_eager", fullgraph=True), pair
    )


@pytest.mark.parametrize(
    "dynamo",
    [
        pytest.param(True, marks=pytest.mark.slow, id="dynamo"),
        pytest.param(False, id="TorchScript"),
    ],
)
def test_onnx(dynamo):
    """ONNX Runtime runs the exported graph, whose second plane follows the image's size."""
    pair = make_pair(SmallNetwork(), dtype=torch.float32)
    if dynamo:
        auto = torch.export.Dim.AUTO
        options = {"dynamic_shapes": ({0: auto, 2: auto, 3: auto},)}
    else:
        options = {"input_names": ["x"], "dynamic_axes": {"x": {0: "n", 2: "h", 3: "w"}}}
    exported = export_onnx(pair.adapted, pair.gray, dynamo=dynamo, **options)
    for shape in ((2, 1, 16, 16), (3, 1, 21, 18)):
        other = pair._replace(gray=torch.rand(*shape))
        with torch.no_grad():
            assert_same_outputs(exported(other.gray), pair.original(other.color), rtol=1e-5)


def test_export_takes_other_sizes():
    pair = make_pair(SmallNetwork())
    auto = torch.export.Dim.AUTO
    shapes = ({0: auto, 2: auto, 3: auto},)
    program = torch.export.export(pair.adapted, (pair.gray,), dynamic_shapes=shapes)
    larger = pair._replace(gray=torch.rand(3, 1, 21, 18, dtype=torch.float64))
    assert_same_outputs(program.module()(larger.gray), pair.original(larger.color))


def test_a_scripted_network_takes_other_sizes():
    pair = make_pair(SmallNetwork())
    scripted = torch.jit.script(pair.adapted)
    larger = pair._replace(gray=torch.rand(3, 1, 21, 18, dtype=torch.float64))
    assert_same_outputs(scripted(larger.gray), pair.original(larger.color))


@pytest.fixture(scope="module")
def resnet():
    return make_pair(tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=5), size=32)


def test_torchvisions_feature_extractor(resnet):
    def extract(network, images):
        return create_feature_extractor(network, ["conv1", "layer1", "layer3.0.relu"])

    assert_tool_keeps(extract, resnet)
    train, evaluation = get_graph_node_names(resnet.adapted)
    assert {"conv1", "layer1.0.conv1", "fc"} < set(evaluation)
    assert set(train) == set(evaluation)


@pytest.mark.parametrize("name", ["resnet10t", "vit_tiny_patch16_224", "convnext_atto"])
@pytest.mark.slow
def test_timms_networks_are_scripted(name):
    """Their forwards have annotated arguments with defaults, such as masks."""
    options = {"depth": 1} if name.startswith("vit") else {}
    network = timm.create_model(name, scriptable=True, num_classes=3, **options)
    pair = make_pair(network, size=224, batch=1)
    assert_tool_keeps(lambda network, images: torch.jit.script(network), pair)


@pytest.mark.filterwarnings("error::torch.jit.TracerWarning")
def test_timms_networks_are_traced():
    """Their forward calls forward_features, into which gray comes too. No size is in the trace."""
    pair = make_pair(timm.create_model("resnet10t", num_classes=3), size=32, batch=1)
    assert_tool_keeps(torch.jit.trace, pair)


@pytest.mark.slow
def test_torchvisions_detector_is_scripted():
    """A detection network takes a list of images, and its script returns losses too."""
    network = tv.detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3, detections_per_img=5, topk_candidates=20
    ).eval()
    adapted = adapt(network)
    image = torch.rand(1, 96, 96)
    _, [expected] = torch.jit.script(network)([image.expand(3, -1, -1)])
    _, [actual] = torch.jit.script(adapted)([image])
    assert len(expected["scores"]) > 0
    assert_same_outputs(actual["scores"].sort().values, expected["scores"].sort().values, 1e-4)


class TestOrder:
    """Where only one order is possible, the other raises an error that says the right one."""

    def test_adapt_then_script(self):
        with pytest.raises(ModelError, match=r"scripted.*adapt the network that it was made of"):
            adapt(torch.jit.script(SmallNetwork()), (MEAN, STD), example=16)

    def test_adapt_then_trace(self):
        traced = torch.jit.trace(SmallNetwork().eval(), torch.rand(1, 3, 16, 16))
        with pytest.raises(ModelError, match=r"adapt the network that it was made of"):
            adapt(traced, (MEAN, STD), example=16)

    def test_adapt_then_compile(self):
        compiled = torch.compile(SmallNetwork(), backend="eager")
        with pytest.raises(ModelError, match=r"compiled.*torch.compile\(adapt\(model._orig_mod"):
            adapt(compiled, (MEAN, STD), example=16)

    def test_adapt_then_compile_in_place(self):
        compiled = SmallNetwork().eval()
        compiled.compile(backend="eager")
        with pytest.raises(ModelError, match=r"compiled.*adapt"):
            adapt(compiled, (MEAN, STD), example=16)

    def test_adapt_then_export(self):
        program = torch.export.export(SmallNetwork().eval(), (torch.rand(1, 3, 16, 16),))
        with pytest.raises(ModelError, match=r"adapt the network.*then export"):
            adapt(program.module(), (MEAN, STD), example=16)

    def test_an_exported_program_is_no_network(self):
        program = torch.export.export(SmallNetwork().eval(), (torch.rand(1, 3, 16, 16),))
        with pytest.raises(ModelError, match=r"adapt the network.*then export"):
            adapt(program, (MEAN, STD), example=16)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_either_order_with_fx(self, name):
        """A graph can be adapted too, and then be traced, copied and recompiled."""
        pair = make_pair(torch.fx.symbolic_trace(NETWORKS[name]().eval()))
        with torch.no_grad():
            expected = pair.original(pair.color)
            assert_same_outputs(pair.adapted(pair.gray), expected)
            assert_same_outputs(pair.copy().adapted(pair.gray), expected)
            assert_same_outputs(torch.fx.symbolic_trace(pair.adapted)(pair.gray), expected)
            assert_same_outputs(torch.fx.Interpreter(pair.adapted).run(pair.gray), expected)
            pair.adapted.recompile()
            assert_same_outputs(pair.adapted(pair.gray), expected)

    def test_either_order_with_a_feature_extractor(self, resnet):
        pair = make_pair(create_feature_extractor(resnet.original, ["layer1"]), size=32)
        with torch.no_grad():
            expected = pair.original(pair.color)
            assert_same_outputs(pair.adapted(pair.gray), expected)
            assert len(list_float_tensors(expected)) == 1
