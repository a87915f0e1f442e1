"""Quantization of adapted networks: fused layers, eager, FX and PT2E quantization to int8.

A quantized network is compared with its own float network. The error of the adapted one may be as
large as the original's, times a slack for the rounding of other numbers.
"""

import copy
import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs, needs_package

needs("torchvision")
needs_package("torchao")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from torch import nn
    from torch.ao import quantization
    from torch.ao.quantization import quantize_fx
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import arm_inductor_quantizer, x86_inductor_quantizer
    from torchao.testing.pt2e import _xnnpack_quantizer
    from torchvision import models as tv
    from torchvision.models import quantization as quantizable

from ..networks import MEAN, STD, assert_same_outputs, list_float_tensors, make_rest  # noqa: E402
from .tool_pairs import NETWORKS, SmallNetwork, assert_tool_keeps, make_pair  # noqa: E402

SLACK = 1.25
ENGINES = ["fbgemm", "x86", "onednn", "qnnpack"]

# torch says at each use that its quantization is moving to torchao
pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"
)


@pytest.fixture(autouse=True)
def _engine():
    """Restore the engine of quantized operations, which the tests set."""
    engine = torch.backends.quantized.engine
    yield
    torch.backends.quantized.engine = engine


@pytest.fixture(scope="module")
def small():
    """Return a pair whose output is an image, because an average over it would hide errors."""
    network = nn.Sequential(nn.Conv2d(3, 32, 3, 2, 1, bias=False), *make_rest(32), nn.Linear(7, 5))
    return make_pair(network, size=18, dtype=torch.float32, batch=16)


def measure_error(quantized, network, images):
    """Return the error of a quantized network, as a part of the size of the float outputs."""
    with torch.no_grad():
        expected, actual = (list_float_tensors(net(images))[0] for net in (network, quantized))
    return float((actual - expected).norm() / expected.norm())


def assert_quantizes_as_well(quantize, pair, slack=SLACK):
    """Assert that the adapted network loses no more by a quantization than the original does."""
    networks = pair.copy()
    theirs = measure_error(quantize(networks.original, pair.color), pair.original, pair.color)
    ours = measure_error(quantize(networks.adapted, pair.gray), pair.adapted, pair.gray)
    assert 0 < ours <= slack * theirs
    assert theirs < 0.2


def run(network, images):
    with torch.no_grad():
        network(images)
    return network


class TestFusion:
    """Layers that are fused before they are quantized."""

    @pytest.mark.parametrize("name", NETWORKS)
    def test_fuse_modules(self, name):
        def fuse(network, images):
            fused = quantization.fuse_modules(network, [["conv1", "bn1", "relu"]])
            assert type(fused.conv1) is nn.intrinsic.ConvReLU2d
            assert type(fused.bn1) is type(fused.relu) is nn.Identity
            return fused

        assert_tool_keeps(fuse, make_pair(NETWORKS[name]()))

    def test_fuse_modules_for_training(self):
        """In training mode the BatchNorm stays, and the fused layer is trained."""

        def fuse(network, images):
            fused = quantization.fuse_modules_qat(network.train(), [["conv1", "bn1", "relu"]])
            assert type(fused.conv1) is nn.intrinsic.ConvBnReLU2d
            return fused.eval()

        assert_tool_keeps(fuse, make_pair(SmallNetwork()))

    def test_a_fused_network_is_adapted(self):
        """The fused stem is a convolution inside another layer."""
        model = make_pair(SmallNetwork()).original
        fused = quantization.fuse_modules(model, [["conv1", "bn1", "relu"]])
        assert_tool_keeps(lambda network, images: network, make_pair(fused))

    def test_fuse_conv_bn_eval(self):
        def fuse(network, images):
            network.conv1 = nn.utils.fusion.fuse_conv_bn_eval(network.conv1, network.bn1)
            network.bn1 = nn.Identity()
            return network

        assert_tool_keeps(fuse, make_pair(SmallNetwork()))


def make_inception():
    return quantizable.inception_v3(init_weights=False, aux_logits=True)


def make_googlenet():
    return quantizable.googlenet(init_weights=False)


QUANTIZABLE = {
    "mobilenet_v2": (quantizable.mobilenet_v2, 64),
    "resnet18": (quantizable.resnet18, 64),
    "shufflenet": (quantizable.shufflenet_v2_x0_5, 64),
    "mobilenet_v3": (quantizable.mobilenet_v3_large, 64),
    "googlenet": (make_googlenet, 64),
    "inception": (make_inception, 96),
}
FIRST = {"mobilenet_v2", "resnet18"}


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=[] if n in FIRST else [pytest.mark.slow]) for n in QUANTIZABLE],
)
def torchvision_pair(request):
    make, size = QUANTIZABLE[request.param]
    return make_pair(make(), size, torch.float32, batch=8)


def quantize_eagerly(network, images, engine="fbgemm"):
    torch.backends.quantized.engine = engine
    network.eval().fuse_model()
    network.qconfig = quantization.get_default_qconfig(engine)
    run(quantization.prepare(network, inplace=True), images)
    return quantization.convert(network, inplace=True)


def test_torchvisions_fuse_model(torchvision_pair):
    def fuse(network, images):
        before = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        network.eval().fuse_model()
        after = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
        assert after < before / 2
        return network

    assert_tool_keeps(fuse, torchvision_pair, rtol=1e-5)


def test_eager_quantization(torchvision_pair):
    assert_quantizes_as_well(quantize_eagerly, torchvision_pair)


def test_eager_quantization_in_training():
    """Quantization-aware training: fake quantization, some steps, then int8."""
    pair = make_pair(quantizable.resnet18(num_classes=5), 32, torch.float32, batch=8)

    def quantize(network, images):
        torch.backends.quantized.engine = "fbgemm"
        network.train().fuse_model(is_qat=True)
        network.qconfig = quantization.get_default_qat_qconfig("fbgemm")
        prepared = quantization.prepare_qat(network)
        run(prepared.eval(), images)
        return quantization.convert(prepared)

    assert_quantizes_as_well(quantize, pair)


def quantize_by_fx(engine):
    def quantize(network, images):
        torch.backends.quantized.engine = engine
        mapping = quantization.get_default_qconfig_mapping(engine)
        prepared = quantize_fx.prepare_fx(network, mapping, (images,))
        return quantize_fx.convert_fx(run(prepared, images))

    return quantize


@pytest.mark.parametrize("engine", ENGINES)
def test_fx_quantization(small, engine):
    assert_quantizes_as_well(quantize_by_fx(engine), small)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.slow
def test_fx_quantization_of_resnet(engine):
    network = tv.ResNet(tv.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10)
    pair = make_pair(network, 32, torch.float32, batch=16)
    assert_quantizes_as_well(quantize_by_fx(engine), pair)


def test_fx_fusion_alone():
    def fuse(network, images):
        return quantize_fx.fuse_fx(network)

    assert_tool_keeps(fuse, make_pair(SmallNetwork()))


def test_dynamic_quantization(small):
    def quantize(network, images):
        return quantization.quantize_dynamic(network, {nn.Linear})

    assert_quantizes_as_well(quantize, small)


QUANTIZERS = {
    "X86InductorQuantizer": (
        x86_inductor_quantizer.X86InductorQuantizer,
        x86_inductor_quantizer.get_default_x86_inductor_quantization_config,
    ),
    "ArmInductorQuantizer": (
        arm_inductor_quantizer.ArmInductorQuantizer,
        arm_inductor_quantizer.get_default_arm_inductor_quantization_config,
    ),
    "XNNPACKQuantizer": (
        _xnnpack_quantizer.XNNPACKQuantizer,
        lambda: _xnnpack_quantizer.get_symmetric_quantization_config(is_per_channel=True),
    ),
}


@pytest.mark.parametrize("name", QUANTIZERS)
def test_pt2e_quantization(small, name):
    make, configure = QUANTIZERS[name]

    def quantize(network, images):
        exported = torch.export.export(network, (images,)).module()
        quantizer = make().set_global(configure())
        return convert_pt2e(run(prepare_pt2e(exported, quantizer), images))

    assert_quantizes_as_well(quantize, small)


class TestOrder:
    """A quantized network can't be adapted: its weights are integers for three channels."""

    def test_adapt_then_quantize_eagerly(self):
        network = quantizable.mobilenet_v2(num_classes=5)
        quantized = quantize_eagerly(network, torch.rand(2, 3, 32, 32))
        with pytest.raises(ModelError, match="adapt the float network, then quantize it"):
            adapt(quantized, (MEAN, STD), example=32)

    def test_adapt_then_prepare(self):
        """Observers that have seen color would quantize gray by the wrong range."""
        network = quantizable.mobilenet_v2(num_classes=5).eval()
        network.fuse_model()
        network.qconfig = quantization.get_default_qconfig("fbgemm")
        prepared = run(quantization.prepare(network), torch.rand(2, 3, 32, 32))
        with pytest.raises(ModelError, match="adapt the float network, then quantize it"):
            adapt(prepared, (MEAN, STD), example=32)

    @pytest.mark.parametrize("engine", ENGINES)
    def test_adapt_then_convert_fx(self, small, engine):
        quantized = quantize_by_fx(engine)(copy.deepcopy(small.original), small.color)
        with pytest.raises(ModelError, match="adapt the float network, then quantize it"):
            adapt(quantized, (MEAN, STD), example=18)

    def test_adapt_then_prepare_fx(self, small):
        mapping = quantization.get_default_qconfig_mapping("fbgemm")
        network = copy.deepcopy(small.original)
        prepared = run(quantize_fx.prepare_fx(network, mapping, (small.color,)), small.color)
        with pytest.raises(ModelError, match="adapt the float network, then quantize it"):
            adapt(prepared, (MEAN, STD), example=18)

    def test_adapt_then_export_and_quantize(self, small):
        make, configure = QUANTIZERS["XNNPACKQuantizer"]
        exported = torch.export.export(small.original, (small.color,)).module()
        prepared = prepare_pt2e(exported, make().set_global(configure()))
        quantized = convert_pt2e(run(prepared, small.color))
        with pytest.raises(ModelError, match=r"adapt the (float )?network.*then"):
            adapt(quantized, (MEAN, STD), example=18)

    def test_expand_takes_a_quantized_network(self):
        """The three channels are made before it, so nothing in it changes."""
        network = quantizable.mobilenet_v2(num_classes=5)
        pair = make_pair(quantizable.mobilenet_v2(num_classes=5), 32, torch.float32)
        quantized = quantize_eagerly(network, pair.color)
        adapted = adapt(quantized, (MEAN, STD), how="expand", example=32)
        with torch.no_grad():
            assert_same_outputs(adapted(pair.gray), quantized(pair.color), rtol=0.05)
