"""Torch networks for the tests of graytorgb.models, and assertions that compare them."""

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

# two threads that wait for each other on a busy machine take a hundred times as long
torch.set_num_threads(1)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def randomize_constants(model):
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


def drop_preprocessing(adapted):
    """Remove the record that an adapted network carries, which its state dict doesn't hold."""
    del adapted.graytorgb_preprocessing
    return adapted


class CustomForward(nn.Module):
    """A network whose forward() is a function of the network and the image."""

    def __init__(self, function, stem=None):
        super().__init__()
        self.stem = stem or nn.Conv2d(3, 8, 3, padding=1)
        self.head = nn.Conv2d(8, 4, 3, padding=1)
        self.function = function

    def forward(self, x):
        return self.function(self, x)


def make_rest(channels=8):
    """Return layers that follow a stem of so many output channels."""
    return nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.Conv2d(channels, 4, 3)


def make_color(gray, mean=MEAN, std=STD):
    """Return the original's input for gray: three channels, normalized."""
    shape = (3, *(1,) * (gray.ndim - 2))
    mean, std = (torch.tensor(v, dtype=gray.dtype).reshape(shape) for v in (mean, std))
    return (gray - mean) / std


def list_float_tensors(output):
    """Return every tensor of floats in an output that isn't empty."""
    found = [leaf for leaf in tree_leaves(output) if isinstance(leaf, torch.Tensor)]
    return [leaf.detach() for leaf in found if leaf.is_floating_point() and leaf.numel()]


def assert_same_outputs(actual, expected, rtol=1e-10):
    """Assert that all tensors of two outputs are equal, up to a part of the largest value."""
    actual, expected = list_float_tensors(actual), list_float_tensors(expected)
    assert expected
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        assert a.shape == e.shape
        assert float((a - e).abs().max()) <= rtol * float(e.abs().max())


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
    outputs = []
    hooks = [
        part.register_forward_hook(lambda module, inputs, output: outputs.append(output))
        for part in (network.backbone, head)
    ]
    detections = model(images)
    for hook in hooks:
        hook.remove()
    assert len(outputs) == len(hooks)
    return outputs, detections
