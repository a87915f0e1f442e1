"""Training tools on adapted networks: parallel, averages, pruning, parametrizations."""

import copy
import warnings

import pytest

from graytorgb import ModelError
from graytorgb.models import adapt

from ...support import needs_package

needs_package("torch", "timm")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import timm
    import torch
    from torch import distributed, nn
    from torch.nn.utils import parametrizations, parametrize, prune
    from torch.optim.swa_utils import AveragedModel, update_bn
    from torch.utils.checkpoint import checkpoint

from ..networks import MEAN, STD, assert_same_outputs, randomize_constants  # noqa: E402
from .tool_pairs import NETWORKS, Pair, SmallNetwork, assert_tool_keeps, make_pair  # noqa: E402


@pytest.fixture(scope="module", params=NETWORKS)
def pair(request):
    return make_pair(NETWORKS[request.param]())


def train(network, images, steps=3, wrapped=None):
    """Train all layers but the stem, whose weights differ between the two networks."""
    wrapped = wrapped or network
    network.conv1.requires_grad_(False)
    free = [p for p in network.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(free, 0.05, momentum=0.9)
    wrapped.train()
    for _ in range(steps):
        optimizer.zero_grad()
        wrapped(images).pow(2).mean().backward()
        optimizer.step()
        yield
    wrapped.eval()


def average_by_swa(network, images):
    average = AveragedModel(network)
    for _ in train(network, images):
        average.update_parameters(network)
    update_bn([images], average)
    return average.eval()


def average_by_timm(kind):
    def average(network, images):
        ema = kind(network, decay=0.5)
        for _ in train(network, images):
            ema.update(network)
        return ema.module

    return average


class Module(nn.Module):
    """A network inside another, as in a LightningModule."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, batch):
        return self.backbone(batch["image"])


def train_in_a_module(network, images):
    module = Module(network)
    for _ in train(network, {"image": images}, wrapped=module):
        pass
    return lambda x: module({"image": x})


def train_with_checkpoints(network, images):
    list(train(network, images, wrapped=nn.Sequential(Checkpointed(network))))
    return network


class Checkpointed(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return checkpoint(self.inner, x, use_reentrant=False)


def train_in_data_parallel(network, images):
    parallel = nn.DataParallel(network)
    for _ in train(network, images, wrapped=parallel):
        pass
    other = nn.DataParallel(copy.deepcopy(network))
    other.load_state_dict(parallel.state_dict())
    return other.eval()


TOOLS = {
    "SWA": average_by_swa,
    "timm's ModelEmaV2": average_by_timm(timm.utils.ModelEmaV2),
    "timm's ModelEmaV3": average_by_timm(timm.utils.ModelEmaV3),
    "a module around it": train_in_a_module,
    "checkpoints": train_with_checkpoints,
    "DataParallel": train_in_data_parallel,
}


@pytest.mark.parametrize("name", TOOLS)
def test_training(pair, name):
    """If every layer but the stem is trained, both networks learn the same weights."""
    assert_tool_keeps(TOOLS[name], pair, rtol=1e-8)


@pytest.fixture
def process_group(tmp_path):
    distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    yield
    distributed.destroy_process_group()


@pytest.mark.usefixtures("process_group")
def test_distributed_data_parallel(pair):
    def train_in_parallel(network, images):
        network.conv1.requires_grad_(False)
        parallel = nn.parallel.DistributedDataParallel(network)
        for _ in train(network, images, wrapped=parallel):
            pass
        return parallel

    assert_tool_keeps(train_in_parallel, pair, rtol=1e-8)


@pytest.mark.usefixtures("process_group")
def test_batch_norm_is_synchronized(pair):
    """SyncBatchNorm replaces layers inside the network, and its own class stays."""

    def convert(network, images):
        return nn.SyncBatchNorm.convert_sync_batchnorm(network).eval()

    assert_tool_keeps(convert, pair)


class TestPruning:
    """Whole filters of the stem can be pruned alike; single weights of it are the gray's own."""

    @pytest.mark.parametrize("removed", [False, True])
    def test_filters_of_the_stem(self, removed):
        def remove_filters(network, images):
            mask = torch.ones_like(network.conv1.weight)
            mask[::3] = 0
            prune.custom_from_mask(network.conv1, "weight", mask)
            if removed:
                prune.remove(network.conv1, "weight")
            return network

        assert_tool_keeps(remove_filters, make_pair(SmallNetwork()))

    def test_filters_by_their_norm(self, pair):
        """prune.ln_structured takes the stem as any convolution, and later layers are exact."""

        def remove_filters(network, images):
            layer = getattr(network, "conv2", network.fc)
            prune.ln_structured(layer, "weight", 0.5, n=2, dim=0)
            prune.l1_unstructured(network.fc, "weight", 0.3)
            prune.random_unstructured(network.bn1, "weight", 0.3)
            return network

        assert_tool_keeps(remove_filters, pair)
        prune.ln_structured(pair.copy().adapted.conv1, "weight", 0.5, n=2, dim=0)

    def test_a_pruned_stem_is_adapted_once_the_pruning_is_permanent(self):
        model = randomize_constants(SmallNetwork())
        prune.random_unstructured(model.conv1, "weight", 0.5)
        with pytest.raises(ModelError, match=r"prune\.remove"):
            adapt(model, (MEAN, STD), example=16)
        prune.remove(model.conv1, "weight")
        assert_tool_keeps(lambda network, images: network, make_pair(model))


class HalfOf(nn.Module):
    """A parametrization whose result depends on the shape of no weight."""

    def forward(self, weight):
        return weight / 2


class TestParametrizations:
    """Weights of the stem that are computed at each call, added after adapting."""

    def test_the_stem(self):
        pair = make_pair(SmallNetwork())

        def halve(network, images):
            parametrize.register_parametrization(network.conv1, "weight", HalfOf())
            return network

        assert_tool_keeps(halve, pair)

    @pytest.mark.parametrize("normalize", [parametrizations.weight_norm, nn.utils.weight_norm])
    @pytest.mark.filterwarnings("ignore::FutureWarning")
    def test_weight_norm_of_the_stem(self, pair, normalize):
        """The norm's initial magnitude is that of the weight, so nothing changes."""

        def add_and_remove(network, images):
            normalize(network.conv1)
            changed = network(images)
            if normalize is nn.utils.weight_norm:
                nn.utils.remove_weight_norm(network.conv1)
            else:
                parametrize.remove_parametrizations(network.conv1, "weight")
            return lambda x: (changed, network(x))

        assert_tool_keeps(add_and_remove, pair)

    @pytest.mark.filterwarnings("ignore::FutureWarning")
    @pytest.mark.parametrize("normalize", [parametrizations.weight_norm, nn.utils.weight_norm])
    def test_a_stem_with_weight_norm_is_adapted_after_it_is_removed(self, normalize):
        model = randomize_constants(SmallNetwork())
        normalize(model.conv1)
        with pytest.raises(ModelError, match=r"remove_(parametrizations|weight_norm)"):
            adapt(model, (MEAN, STD), example=16)

    def test_spectral_norm_of_a_later_layer(self, pair):
        def normalize(network, images):
            parametrizations.spectral_norm(network.fc)
            return network.eval()

        assert_tool_keeps(normalize, pair)


def test_a_parametrized_root():
    """A parametrization of a parameter of the network itself changes the root's class again."""

    class Scaled(SmallNetwork):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            return super().forward(x) * self.scale

    def halve(network, images):
        parametrize.register_parametrization(network, "scale", HalfOf())
        return network

    assert_tool_keeps(halve, make_pair(Scaled()))


def test_gradients_reach_the_image(pair):
    """Attacks and saliency maps get the sum of the gradients of the three channels."""
    networks: Pair = pair.copy()
    gray = networks.gray.clone().requires_grad_()
    networks.adapted(gray).pow(2).sum().backward()
    color = networks.color.requires_grad_()
    networks.original(color).pow(2).sum().backward()
    std = torch.tensor(STD, dtype=torch.float64)[:, None, None]
    assert_same_outputs(gray.grad, (color.grad / std).sum(1, keepdim=True))


def test_frozen_layers_stay_frozen_and_modes_stay():
    model = randomize_constants(SmallNetwork())
    model.conv1.requires_grad_(False)
    model.train()
    model.bn1.eval()
    adapted = adapt(model, (MEAN, STD), example=16)
    assert not adapted.conv1.weight.requires_grad
    assert adapted.conv2.weight.requires_grad
    assert adapted.training
    assert not adapted.bn1.training
