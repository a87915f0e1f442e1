"""What the tests of graytorgb.models do with torch networks: prepare and compare them."""

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

# two threads that wait for each other on a busy machine take a hundred times as long
torch.set_num_threads(1)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def awaken(model):
    """Put a network in eval mode and float64, with random numbers in place of constants.

    A fresh network's biases and BatchNorm statistics are zeros and ones, which would hide an
    error in what depends on them.
    """
    model = model.double().eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and (tensor == tensor.flatten()[0]).all():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return model


def forget(adapted):
    """Take away what an adapted network carries, as where its weights are loaded elsewhere."""
    del adapted.graytorgb_preprocessing
    return adapted


def rest(channels=8):
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, 4, 3)


def planes(gray, mean=MEAN, std=STD):
    shape = (3, *(1,) * (gray.ndim - 2))
    mean, std = (torch.tensor(v, dtype=gray.dtype).reshape(shape) for v in (mean, std))
    return (gray - mean) / std


def floats(output):
    found = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
    return [leaf.detach() for leaf in found if leaf.is_floating_point() and leaf.numel()]


def assert_same_outputs(given, expected, rtol=1e-10):
    given, expected = floats(given), floats(expected)
    assert expected
    assert len(given) == len(expected)
    for g, e in zip(given, expected, strict=True):
        assert g.shape == e.shape
        assert float((g - e).abs().max()) <= rtol * float(e.abs().max())


def assert_same_detections(adapted, gray, model, images):
    """Assert that two detection networks agree, whatever the order of detections that tie.

    Rounding decides which of two detections with one score comes first, and which suppresses
    the other. So what goes into that choice is compared number by number, and the detections
    themselves only where no two scores tie.
    """
    ours, theirs = detect(adapted, gray), detect(model, images)
    assert_same_outputs(ours[0], theirs[0], rtol=1e-8)
    for given, expected in zip(ours[1], theirs[1], strict=True):
        assert given.keys() == expected.keys()
        assert len(expected["scores"]) > 1
        if float(expected["scores"].sort().values.diff().min()) > 1e-9:
            assert_same_outputs(given, expected, rtol=1e-8)


def detect(model, images):
    """Return the outputs of a detection network's backbone and dense head, and its detections."""
    network = getattr(model, "model", model)  # how="expand" wraps it
    head = network.rpn.head if hasattr(network, "rpn") else network.head
    kept = []
    hooks = [
        part.register_forward_hook(lambda module, inputs, output: kept.append(output))
        for part in (network.backbone, head)
    ]
    detections = model(images)
    for hook in hooks:
        hook.remove()
    assert len(kept) == len(hooks)
    return kept, detections
