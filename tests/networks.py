"""Networks of the tests of graytorgb.models: awake, and compared."""

import torch
from torch.utils._pytree import tree_leaves

# two threads that wait for each other on a busy machine take a hundred times as long
torch.set_num_threads(1)

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def awaken(model, seed=0):
    """In eval mode and float64, with random numbers where a fresh network has constants."""
    torch.manual_seed(seed)
    model = model.double().eval()
    for name, tensor in model.state_dict().items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif tensor.is_floating_point() and (tensor == tensor.flatten()[0]).all():
            tensor.add_(0.1 * torch.randn_like(tensor))
    return model


def planes(grey, mean=MEAN, std=STD):
    shape = (3, *(1,) * (grey.ndim - 2))
    mean, std = (torch.tensor(v, dtype=grey.dtype).reshape(shape) for v in (mean, std))
    return (grey - mean) / std


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
