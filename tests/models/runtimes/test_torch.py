"""Torch networks, converted to each runtime, run there, and compared."""

import json
import sys
import warnings

import numpy as np
import pytest

from graytorgb import ModelError, OptionError
from graytorgb.models import adapt, verify
from graytorgb.models.runtimes import RUNTIMES, convert

from ...support import needs_package
from ..networks import MEAN, STD
from .networks import NEEDED, images, small

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torch
    from torch import nn
    from torchvision import models as tv

pytestmark = pytest.mark.slow
EVERY = pytest.mark.parametrize("runtime", NEEDED)


class TestEveryRuntime:
    @EVERY
    def test_the_adapted_network_is_the_original(self, runtime):
        needs_package(*NEEDED[runtime])
        network = small()
        state = {name: value.clone() for name, value in network.state_dict().items()}
        gray = adapt(network, (MEAN, STD), value_range=(0, 255))
        proof = verify(network, gray, 255 * images(), seconds=0, runtime=runtime)
        assert proof.passed
        assert proof.images == 3
        assert proof.largest_output > 0
        assert proof.max_difference <= 1e-5 * max(1, proof.largest_output)
        assert proof.top1 == 1
        assert proof.runtime.startswith(f"{RUNTIMES[runtime].title} ")
        for change in (proof.original_runtime_difference, proof.adapted_runtime_difference):
            assert change <= 1e-5 * max(1, proof.largest_output)
        assert proof.border_difference is None
        assert f", on {proof.runtime}\n" in str(proof)
        assert "changed by the runtime" in str(proof)
        assert json.loads(proof.to_json())["runtime"] == proof.runtime
        assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())

    @EVERY
    def test_a_wrong_network_does_not_pass(self, runtime):
        needs_package(*NEEDED[runtime])
        network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)).eval()
        other = adapt(network, (0.5, 0.25))
        del other.graytorgb_preprocessing
        proof = verify(network, other, images(1), (MEAN, STD), seconds=0, runtime=runtime)
        assert not proof.passed
        assert proof.max_difference > 1e-3
        assert proof.adapted_runtime_difference < 1e-5  # the runtime isn't to blame

    @EVERY
    def test_conversion(self, runtime, tmp_path):
        needs_package(*NEEDED[runtime])
        gray = adapt(small(), (MEAN, STD))
        path = tmp_path / f"gray{RUNTIMES[runtime].suffix}"
        [given] = convert(gray, runtime, path, sides=(12, 20), images=2)
        assert (given.shape, given.dtype) == ((2, 1, 12, 20), "float32")
        x = np.random.default_rng(0).random(given.shape, np.float32)
        [scores] = RUNTIMES[runtime].load().load_session(path)([x])
        with torch.inference_mode():
            expected = gray(torch.from_numpy(x)).numpy()
        assert np.abs(scores - expected).max() <= 1e-5

    @EVERY
    def test_what_cannot_be_converted(self, runtime):
        needs_package(*NEEDED[runtime])

        class Fickle(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 4, 3)

            def forward(self, x):
                y = self.stem(x)
                return y * 2 if y.mean().item() > 0 else y

        network = Fickle().eval()
        gray = adapt(network, (MEAN, STD))
        with pytest.raises(ModelError, match="can't be given the original network: its conversion"):
            verify(network, gray, images(), seconds=0, runtime=runtime)


@pytest.fixture
def openvino():
    needs_package("openvino")
    return "openvino"


class TestArguments:
    def test_several_sizes_and_batches(self, openvino):
        network = small()
        gray = adapt(network, (MEAN, STD))
        several = [image[: 12 + 4 * k] for k, image in enumerate(images(2))]
        assert verify(network, gray, several, seconds=0, runtime=openvino).images == 2
        proof = verify(network, gray, images(), seconds=0.02, runtime=openvino, batch_size=2)
        assert proof.passed
        assert proof.batch == (2, 1, 16, 16)
        assert proof.original_s.rounds >= 5

    def test_of_a_network_on_its_own(self, openvino):
        """Everything else about the network stays as it is: mode, hooks, random state."""
        network = small().train()
        gray = adapt(network, (MEAN, STD))
        before = torch.get_rng_state()
        assert verify(network, gray, images(), seconds=0, runtime=openvino).passed
        assert torch.equal(torch.get_rng_state(), before)
        assert network.training
        assert gray.training

    def test_behind_a_front(self, openvino):
        network = small()
        gray = adapt(network, (MEAN, STD), how="expand")
        assert verify(network, gray, images(), seconds=0, runtime=openvino).passed

    def test_several_outputs(self, openvino):
        class Several(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 4, 3, padding=1)

            def forward(self, x):
                y = self.stem(x)
                return {"out": y, "small": (y[:, :, ::2, ::2], y.mean((2, 3)))}

        network = Several().eval()
        proof = verify(network, adapt(network, (MEAN, STD)), images(), seconds=0, runtime=openvino)
        assert proof.passed
        assert proof.of_pixels
        assert proof.original_runtime_difference < 1e-5

    def test_errors(self, openvino):
        network = small()
        gray = adapt(network, (MEAN, STD))
        with pytest.raises(OptionError, match="runtime is 'onnxruntime'"):
            verify(network, gray, images(), runtime="tensorrt")
        with pytest.raises(ModelError, match="leave layer out, or runtime"):
            verify(network, gray, images(), runtime=openvino, layer="0")
        detector = tv.detection.ssdlite320_mobilenet_v3_large(None, weights_backbone=None)
        with pytest.raises(ModelError, match="one batch of images, and this one takes a list"):
            verify(detector, detector, images(), runtime=openvino)

    def test_convert_errors(self, openvino, tmp_path):
        gray = adapt(small(), (MEAN, STD))
        with pytest.raises(ModelError, match=r"files end in \.xml, not '\.onnx'"):
            convert(gray, openvino, tmp_path / "gray.onnx")
        with pytest.raises(ModelError, match="adapt it first"):
            convert(small(), openvino, tmp_path / "gray.xml")
        assert not list(tmp_path.iterdir())


class TestCoreML:
    """The conversion, because only macOS runs its files."""

    def test_the_input_of_the_converted_network(self, tmp_path):
        needs_package("coremltools")
        gray = adapt(small(), (MEAN, STD), value_range=(0, 255))
        [given] = convert(gray, "Core ML", tmp_path / "gray.mlpackage", sides=(12, 20))
        assert (given.shape, given.dtype) == ((1, 1, 12, 20), "float32")
        assert "tensorflow" not in sys.modules

    @pytest.mark.skipif(sys.platform == "darwin", reason="macOS runs it")
    def test_elsewhere_nothing_is_proven(self):
        needs_package("coremltools")
        network = small()
        with pytest.raises(ModelError, match=r"runs on macOS alone.*runtimes\.convert"):
            verify(network, adapt(network, (MEAN, STD)), images(), seconds=0, runtime="coreml")
