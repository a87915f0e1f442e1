"""Uses of an adapted torch network: copies, compilers, dtypes and training."""

import copy
import pickle

import pytest

from graytorgb.models import adapt
from graytorgb.models.weights import Normalization

from ...support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from ..networks import (  # noqa: E402
    MEAN,
    STD,
    assert_same_outputs,
    make_color,
    make_rest,
    randomize_constants,
)


class TestUses:
    """Copies, compilers and dtypes of an adapted network."""

    @pytest.fixture
    def pair(self):
        model = randomize_constants(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *make_rest()))
        return model, adapt(model, (MEAN, STD))

    @pytest.fixture
    def gray(self):
        torch.manual_seed(1)
        return torch.rand(2, 1, 15, 18, dtype=torch.float64)

    @pytest.fixture
    def expected(self, pair, gray):
        with torch.no_grad():
            return pair[0](make_color(gray))

    def test_copies_and_pickles(self, pair, gray, expected, tmp_path):
        torch.save(pair[1], tmp_path / "model.pt")
        for other in (
            copy.deepcopy(pair[1]),
            pickle.loads(pickle.dumps(pair[1])),
            torch.load(tmp_path / "model.pt", weights_only=False),
        ):
            assert_same_outputs(other(gray), expected)

    def test_state_dict(self, pair, gray, expected):
        model = randomize_constants(nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), *make_rest()))
        other = adapt(model, (MEAN, STD))
        assert other.load_state_dict(pair[1].state_dict()).missing_keys == []
        assert_same_outputs(other(gray), expected)
        assert list(pair[1].state_dict()) == list(pair[0].state_dict())

    @pytest.mark.slow
    def test_compiled(self, pair, gray, expected):
        compiled = torch.compile(pair[1], fullgraph=True, dynamic=True)
        assert_same_outputs(compiled(gray), expected)
        larger = torch.rand(3, 1, 21, 16, dtype=torch.float64)
        assert_same_outputs(compiled(larger), pair[0](make_color(larger)))

    def test_compiled_graph(self, pair, gray, expected):
        compiled = torch.compile(pair[1], fullgraph=True, backend="eager")
        assert_same_outputs(compiled(gray), expected)

    @pytest.mark.slow
    def test_exported(self, pair, gray, expected):
        free = [torch.export.Dim.DYNAMIC, torch.export.Dim.STATIC, *[torch.export.Dim.AUTO] * 2]
        program = torch.export.export(pair[1], (gray,), dynamic_shapes=(dict(enumerate(free)),))
        assert_same_outputs(program.module()(gray), expected)
        larger = torch.rand(3, 1, 21, 16, dtype=torch.float64)
        assert_same_outputs(program.module()(larger), pair[0](make_color(larger)))

    def test_traced_by_fx_and_fused(self, pair, gray, expected):
        """A convolution of two planes can be fused with its BatchNorm."""
        assert_same_outputs(torch.fx.symbolic_trace(pair[1])(gray), expected)
        pair[1][0] = torch.nn.utils.fusion.fuse_conv_bn_eval(pair[1][0], pair[1][1])
        pair[1][1] = nn.Identity()
        assert_same_outputs(pair[1](gray), expected)

    def test_slices_of_a_sequential_network(self, pair, gray, expected):
        """The first layers take gray, the others take what these return."""
        assert_same_outputs(pair[1][2:](pair[1][:2](gray)), expected)
        assert type(pair[1][2:]) is nn.Sequential

    def test_vmap(self, pair, gray, expected):
        each = torch.vmap(pair[1])(gray[:, None])
        assert_same_outputs(each[:, 0], expected)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
    def test_other_dtypes(self, pair, gray, expected, dtype):
        other = copy.deepcopy(pair[1]).to(dtype)
        result = other(gray.to(dtype))
        assert result.dtype == dtype
        assert_same_outputs(result.double(), expected, rtol=8 * torch.finfo(dtype).eps)

    def test_adapted_in_half_precision(self, pair, gray, expected):
        adapted = adapt(copy.deepcopy(pair[0]).bfloat16(), (MEAN, STD))
        assert adapted[0].weight.dtype == torch.bfloat16
        assert_same_outputs(adapted(gray.bfloat16()).double(), expected, rtol=0.06)

    def test_autocast(self, pair, gray, expected):
        single = copy.deepcopy(pair[1]).float()
        with torch.autocast("cpu", torch.bfloat16):
            result = single(gray.float())
        assert result.dtype == torch.bfloat16
        assert_same_outputs(result.double(), expected, rtol=0.06)

    def test_channels_last(self, pair, gray, expected):
        last = torch.channels_last
        adapted = adapt(copy.deepcopy(pair[0]).to(memory_format=last), (MEAN, STD))
        assert adapted[0].weight.is_contiguous(memory_format=last)
        assert_same_outputs(adapted(gray.to(memory_format=last)), expected)

    def test_empty_batches(self, pair):
        assert pair[1](torch.zeros(0, 1, 15, 18, dtype=torch.float64)).shape[0] == 0

    def test_hooks_see_the_stem(self, pair, gray):
        seen = []
        handle = pair[1][0].register_forward_hook(lambda module, args, out: seen.append(out))
        pair[1](gray)
        handle.remove()
        assert len(seen) == 1


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
def test_gradients_are_those_of_the_three_channels(how, padding):
    """Other layers' gradients are equal, the image's is the sum, the stem's by the chain rule."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=padding), *make_rest()).double().train()
    adapted = adapt(model, (MEAN, STD), how=how, example=9)
    gray = torch.rand(4, 1, 9, 11, dtype=torch.float64, requires_grad=True)
    color = make_color(gray.detach()).requires_grad_()
    for network, images in ((model, color), (adapted, gray)):
        network(images).pow(2).sum().backward()
    inner = adapted if how == "collapse" else adapted.model
    for before, after in zip(model[1:].parameters(), inner[1:].parameters(), strict=True):
        torch.testing.assert_close(after.grad, before.grad)
    torch.testing.assert_close(model[0].bias.grad, inner[0].bias.grad)
    std = torch.tensor(STD, dtype=torch.float64)[:, None, None]
    summed = (color.grad / std).sum(1, keepdim=True)
    torch.testing.assert_close(gray.grad, summed)
    mean = torch.tensor(MEAN, dtype=torch.float64)[:, None, None]
    if how == "collapse" and padding:
        # a color channel is a sum of the planes: of_gray * scale / std + (center - mean) / std
        center, scale, level = Normalization.from_stats(MEAN, STD).plane_numbers
        of_gray, of_level = inner[0].weight.grad.split(1, 1)
        by_chain_rule = of_gray * scale / std + of_level / level * (center - mean) / std
        torch.testing.assert_close(model[0].weight.grad, by_chain_rule)
    elif how != "collapse":
        torch.testing.assert_close(model[0].weight.grad, inner[0].weight.grad)


def test_training_steps_stay_equal():
    """If every layer but the stem is trained, both networks learn the same weights."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *make_rest()).double().train()
    adapted = adapt(model, (MEAN, STD), example=9)
    for network in (model, adapted):
        network[0].requires_grad_(False)
        optimizer = torch.optim.Adam(network[1:].parameters(), 0.01)
        torch.manual_seed(1)
        for _ in range(3):
            gray = torch.rand(4, 1, 9, 11, dtype=torch.float64)
            loss = network(make_color(gray) if network is model else gray).pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    for before, after in zip(model[1:].parameters(), adapted[1:].parameters(), strict=True):
        torch.testing.assert_close(after, before, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(adapted[1].running_mean, model[1].running_mean)
