"""adapt compares what a torch network returns in any container, random or masked in part."""

import collections
import copy
import dataclasses
import itertools
import random
import types
import warnings

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ..support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from .networks import (  # noqa: E402
    MEAN,
    STD,
    CustomForward,
    assert_same_outputs,
    drop_preprocessing,
    make_color,
    randomize_constants,
)


def make_network(function, dtype=torch.float32, *, is_tied=False):
    """Return a network that returns a function of the image and the output.

    If it is tied, the output depends on the stem's weight once more, and can't stay the same.
    """

    def forward(net, x):
        y = net.head(net.stem(x).relu())
        return function(x, y / net.stem.weight.norm() if is_tied else y)

    return randomize_constants(CustomForward(forward)).to(dtype)


class Slots:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class List(list):
    pass


class Tuple(tuple):
    __slots__ = ()


class Dict(dict):
    pass


def nest(y):
    """Return an object in an object, five times."""
    for _ in range(5):
        y = types.SimpleNamespace(inner=y)
    return y


CONTAINERS = {
    "slots": Slots,
    "deep": nest,
    "a list's subclass": lambda y: List([y]),
    "a tuple's subclass": lambda y: Tuple([y]),
    "a dict's subclass": lambda y: Dict(y=y),
    "a mapping": lambda y: types.MappingProxyType({"y": y}),
    "UserDict": lambda y: collections.UserDict(y=y),
    "deque": lambda y: collections.deque([y]),
    "set": lambda y: {y},
    "a generator": lambda y: (part for part in [y]),
    "nested": lambda y: torch.nested.nested_tensor(list(y)),
    "a complex number": lambda y: complex(1, float(y.mean())),
    "a text": lambda y: f"{float(y.mean()):.2f}",
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_container_is_looked_into(name):
    make = CONTAINERS[name]
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # nested: a prototype
        adapt(make_network(lambda x, y: make(y), torch.float64), (MEAN, STD))
        with pytest.raises(ModelError, match="the network returns"):
            adapt(make_network(lambda x, y: make(y), is_tied=True), (MEAN, STD))


def test_an_object_that_holds_itself():
    def forward(x, y):
        found = types.SimpleNamespace(y=y)
        found.me = found
        return found

    model = make_network(forward)
    gray = torch.rand(1, 1, 16, 16)
    given, expected = adapt(model, (MEAN, STD))(gray).y, model(make_color(gray)).y
    torch.testing.assert_close(given, expected, atol=1e-5, rtol=0)


def fill_channel(y, value):
    """Return a copy whose first channel is one value, as a mask leaves it."""
    y = y.clone()
    y[:, 0] = value
    return y


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("value", [-1e9, 1e6, -1e30, -np.inf])
def test_what_a_mask_fills_in_is_no_scale(value, dtype):
    """A limit in relation to -1e9 would let every other output pass."""
    adapt(make_network(lambda x, y: fill_channel(y, value), dtype), (MEAN, STD))
    with pytest.raises(ModelError, match="returns other values for gray"):
        adapt(make_network(lambda x, y: fill_channel(y, value), dtype, is_tied=True), (MEAN, STD))


_NUMBERS = itertools.cycle([0.1, 0.9, 0.4, 0.7, 0.2, 0.6, 0.3])


def draw_number():
    """Return a number of a generator that no attribute leads to, and nobody can seed."""
    return next(_NUMBERS)


RANDOM = {
    "another output": lambda y: {"noise": torch.tensor(draw_number()), "y": y},
    "a little in it": lambda y: y + 1e-3 * draw_number(),
    "another shape": lambda y: (y, torch.zeros(int(10 * draw_number()))),
}


@pytest.mark.parametrize("name", RANDOM)
def test_noise_excuses_no_more_than_it_explains(name):
    function = RANDOM[name]
    adapt(make_network(lambda x, y: function(y)), (MEAN, STD))
    with pytest.raises(ModelError, match="returns other values for gray"):
        adapt(make_network(lambda x, y: function(y), is_tied=True), (MEAN, STD))


def test_a_network_whose_layers_round_more_than_its_first_parameter():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))
            self.body = randomize_constants(nn.Sequential(
                nn.Conv2d(3, 64, 7, padding=3), nn.ReLU(), nn.Conv2d(64, 32, 3), nn.ReLU(),
                nn.Conv2d(32, 4, 3))).bfloat16()  # fmt: skip
            self.wrong = False

        def forward(self, x):
            y = self.body(x.bfloat16()).float() * self.scale
            return y * 50 * self.body[0].weight[:, 1].float().norm() if self.wrong else y

    model = Mixed()
    adapt(model, (MEAN, STD), example=32)
    model.wrong = True
    with pytest.raises(ModelError, match="returns other values for gray"):
        adapt(model, (MEAN, STD), example=32)


@dataclasses.dataclass(frozen=True)
class Config:
    num_channels: int = 3
    image_size: int = 32


class FixedDescription(CustomForward):
    """A network with attributes that describe its input and can't be set."""

    config = Config()

    @property
    def in_channels(self):
        return 3


def test_descriptions_that_cannot_be_set():
    model = randomize_constants(FixedDescription(lambda net, x: net.head(net.stem(x).relu())))
    adapted = adapt(model, (MEAN, STD))
    assert (adapted.in_channels, adapted.config.num_channels) == (3, 3)
    gray = torch.rand(1, 1, 20, 22, dtype=torch.float64)
    assert_same_outputs(adapted(gray), model(make_color(gray)))


def test_an_example_with_a_mask_before_its_image():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1)

        def forward(self, mask, image):
            return self.stem(image) * mask

    model = randomize_constants(Masked())
    mask, gray = (torch.rand(1, 1, 32, 32, dtype=torch.float64) for _ in range(2))
    adapted = adapt(model, (MEAN, STD), example={"mask": mask, "image": make_color(gray)})
    torch.testing.assert_close(adapted(mask, gray), model(mask, make_color(gray)))


class CountingNetwork(CustomForward):
    """A network with random generators of its own, and counters of every kind."""

    def __init__(self):
        super().__init__(None)
        self.generator = torch.Generator().manual_seed(3)
        self.numpy, self.older = np.random.default_rng(0), np.random.RandomState(0)
        self.random = random.Random(0)
        self.tensor, self.array = torch.zeros(1), np.zeros(1)
        self.last = collections.deque([1], maxlen=3)
        self.inner = {"a": [], "b": {"c": [torch.ones(1)]}}

    def forward(self, x):
        noise = torch.rand(1, generator=self.generator).item()
        noise += self.numpy.random() + self.older.rand() + self.random.random()
        self.tensor += 1
        self.array += 1
        self.last.append(2)
        self.inner["a"].append(1)
        self.inner["b"]["c"][0] += 1
        return self.head(self.stem(x)) * noise

    def get_state(self):
        """Return the state of the generators, and the counts."""
        numbers = (
            self.generator.get_state().tolist(), self.numpy.bit_generator.state,
            self.older.get_state()[2], self.random.getstate(),
        )  # fmt: skip
        return numbers, self.tensor.item(), self.array.item(), list(self.last), str(self.inner)


@pytest.mark.parametrize("inplace", [False, True])
def test_the_state_of_a_network_stays(inplace):
    model = randomize_constants(CountingNetwork())
    before, original = model.get_state(), copy.deepcopy(model)
    adapted = adapt(model, (MEAN, STD), inplace=inplace)
    assert model.get_state() == adapted.get_state() == before
    gray = torch.rand(1, 1, 20, 22, dtype=torch.float64)
    assert_same_outputs(adapted(gray), original(make_color(gray)))


def test_verify_leaves_the_state_of_a_network():
    model = randomize_constants(CountingNetwork())
    adapted, before = adapt(model, (MEAN, STD)), model.get_state()
    proof = verify(model, adapted, torch.rand(3, 16, 16), (MEAN, STD), seconds=0)
    assert (model.get_state(), adapted.get_state()) == (before, before)
    assert proof.passed, proof.reason


class TestVerify:
    """verify on networks with such outputs."""

    def prove(self, function, dtype=torch.float64, images=3):
        model = make_network(function, dtype)
        adapted = adapt(model, (MEAN, STD))
        gray = torch.rand(images, 16, 16)
        proof = verify(model, adapted, gray, (MEAN, STD), seconds=0)
        wrong = verify(
            model, drop_preprocessing(adapt(model, (0, 1))), gray, (MEAN, STD), seconds=0
        )
        assert not wrong.passed
        return proof

    @pytest.mark.parametrize(
        "make",
        [Slots, nest, lambda y: Dict(y=y), lambda y: types.SimpleNamespace(y=y),
            lambda y: y.to_sparse(), lambda y: torch.complex(torch.ones_like(y), y),
            lambda y: y.detach().numpy(), lambda y: float(y.mean())],
    )  # fmt: skip
    def test_containers(self, make):
        proof = self.prove(lambda x, y: make(y))
        assert proof.passed, proof.reason

    def test_texts_are_no_figures(self):
        assert self.prove(lambda x, y: (y / 1e3, "zebra")).largest_output < 1

    def test_random_numbers_are_drawn_alike(self):
        torch.manual_seed(5)
        random.seed(5)
        before = torch.get_rng_state(), random.getstate()
        model = make_network(lambda x, y: nn.functional.dropout(y, 0.5) * random.random())
        adapted, gray = adapt(model, (MEAN, STD)), np.random.default_rng(0).random((3, 16, 16))
        torch.set_rng_state(before[0])
        random.setstate(before[1])
        proof = verify(model, adapted, gray, (MEAN, STD), seconds=0)
        assert proof.passed, proof.reason
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]

    @pytest.mark.parametrize(
        ("function", "dtype"),
        [(lambda x, y: y * 1e30, torch.float64), (lambda x, y: y * 1e12, torch.float64),
            (lambda x, y: float(y.mean()), torch.float16),
            (lambda x, y: y.mean((1, 2, 3)), torch.bfloat16)],
    )  # fmt: skip
    def test_rounding_is_named_for_a_network_that_is_right(self, function, dtype):
        """Few outputs of coarse numbers, and float64, whose nudges vanished in float32."""
        model = make_network(function, dtype)
        proof = verify(
            model,
            adapt(model, (MEAN, STD)),
            torch.rand(3, 16, 16),
            (MEAN, STD),
            seconds=0,
            tolerance=0,
        )
        assert not proof.max_difference or proof.sufficient_tolerance is not None
