"""What adapt costs: forward passes, counted, and memory, summed over the tensors that are alive."""

import weakref

import pytest

from graytorgb.models import adapt

from ...support import needs

needs("torchvision")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402
from torchvision import models as tv  # noqa: E402

from graytorgb.models.torch.isolated_run import isolate_run  # noqa: E402

MANY = 100_000_001  # weights


class LiveTensors(TorchDispatchMode):
    """A context that knows how many bytes the tensors hold that were made inside it."""

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self._known = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = {id(each) for each in self._list_storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in self._list_storages(result):
            key = storage._cdata
            if id(storage) in given or key in self._known:
                continue
            self._known.add(key)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._forget, key, storage.nbytes())
        return result

    @staticmethod
    def _list_storages(value):
        return [t.untyped_storage() for t in tree_leaves(value) if isinstance(t, torch.Tensor)]

    def _forget(self, key, size):
        self._known.discard(key)
        self.now -= size


def count_bytes(run):
    """Return the peak of bytes in tensors that are made in a call."""
    with torch.no_grad(), LiveTensors() as live:
        run()
    return live.peak


def watch(layer):
    """Return a list that gets the number of pixels of each image that reaches a layer."""
    calls = []
    layer.register_forward_hook(lambda module, args, output: calls.append(args[0].shape[2:]))
    return calls


def make_pyramid(extra=0):
    """Return a network of 16 pixels' stride, with parameters that it doesn't use."""
    model = nn.Sequential(
        nn.Conv2d(3, 8, 4, 4), nn.BatchNorm2d(8), nn.GELU(), nn.Conv2d(8, 8, 4, 4)
    )
    # memory that nothing touches isn't taken
    model.register_parameter("extra", nn.Parameter(torch.empty(extra)))
    return model.eval()


class TestPasses:
    def test_a_network_of_many_weights(self):
        model = make_pyramid(extra=MANY)
        calls = watch(model[-1])
        adapt(model, "imagenet", inplace=True)
        assert [tuple(size) for size in calls] == [(56, 56), (21, 21), (56, 56)]

    def test_a_network_of_many_weights_is_traced_to_its_end_in_each_run(self):
        class AddsDark(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = make_pyramid(extra=MANY)

            def forward(self, x):
                y = self.body(x)
                return y if x.shape[-1] == 224 else y + x.mean()

        with pytest.raises(Exception, match="goes into mean"):
            adapt(AddsDark(), "imagenet", inplace=True)

    def test_other_networks_are_compared_twice(self):
        model = make_pyramid()
        calls = watch(model[-1])
        adapt(model, "imagenet", inplace=True)
        assert [tuple(size) for size in calls] == 2 * [(56, 56), (21, 21)]
        assert sum(h * w for h, w in calls) < 3 * 56 * 56

    @pytest.mark.parametrize("side", [96, 97, 160, 299])
    def test_the_second_image_is_odd_and_large_enough(self, side):
        model = make_pyramid()
        calls = watch(model[0])
        adapt(model, "imagenet", inplace=True, example=side)
        sides = [tuple(size) for size in calls[:2]]
        assert sides[0] == (side, side)
        assert all(n % 2 and n >= 61 for n in sides[1])
        assert sides[1][0] != sides[1][1]

    def test_a_network_of_one_size(self):
        """The second image ends after the stem."""
        model = tv.VisionTransformer(
            image_size=64, patch_size=16, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
        ).eval()
        calls = watch(model.encoder.layers[-1])
        adapt(model, "imagenet", inplace=True, example=64)
        assert len(calls) == 2

    @pytest.mark.parametrize("make", [tv.resnet18, tv.mobilenet_v3_small, make_pyramid])
    def test_float32_networks_need_no_float64(self, make, monkeypatch):
        converted = []
        monkeypatch.setattr(nn.Module, "double", lambda module: converted.append(module) or module)
        adapt(make().eval(), "imagenet")
        assert not converted


class TestMemory:
    def test_inplace_takes_2_percent_of_the_weights(self):
        body = [nn.Linear(1024, 1024) for _ in range(12)]
        stem = [nn.Conv2d(3, 16, 16, 16), nn.AdaptiveAvgPool2d(8), nn.Flatten()]
        model = nn.Sequential(*stem, *body).eval()
        weights = sum(p.nbytes for p in model.parameters())
        image = torch.rand(1, 3, 64, 64)
        forward = count_bytes(lambda: model(image))
        taken = count_bytes(lambda: adapt(model, "imagenet", inplace=True, example=64))
        assert taken - forward < 0.02 * weights
        assert model[0].in_channels == 1

    def test_the_counter_sees_a_copy(self):
        """Else the test above can't fail."""
        model = make_pyramid(extra=1 << 18)
        assert count_bytes(lambda: adapt(model, "imagenet", example=64)) > 1 << 20

    def test_a_buffer_of_many_layers_is_saved_once(self):
        table = torch.zeros(1 << 18)
        model = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(20)))
        for layer in model:
            layer.register_buffer("table", table)

        def run():
            with isolate_run(model):
                table.add_(1)

        assert count_bytes(run) < 2 * table.nbytes
        assert not table.any()


class TestIsolatedRun:
    def test_a_container_that_is_deep_in_one_place_and_not_in_another(self):
        inner = [1]
        model = nn.Identity()
        model.deep = [[[[[inner]]]]]  # deeper than what is restored
        model.near = [inner]
        with isolate_run(model):
            inner.append(2)
            model.deep[0][0].clear()
        assert inner == [1]
        assert model.deep == [[[[[inner]]]]]

    def test_containers_keep_their_order(self):
        model = nn.Identity()
        a, b = object(), object()
        model.cache, model.empty, model.seen = {"a": a, "b": b}, {}, {a}
        with isolate_run(model):
            model.cache["a"] = model.cache.pop("a")
            model.empty["new"] = model.added = 1
            model.seen.add(b)
        assert list(model.cache) == ["a", "b"]
        assert (model.empty, model.seen) == ({}, {a})
        assert not hasattr(model, "added")
