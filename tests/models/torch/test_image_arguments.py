"""Images among the arguments of torch networks: which they are, and what changes in them."""

import copy
import pickle
from collections import OrderedDict, UserDict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graytorgb import ChannelError, ModelError

from ...support import needs_package

needs_package("torch")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from graytorgb.models import adapt  # noqa: E402
from graytorgb.models.preprocessing import Preprocessing  # noqa: E402
from graytorgb.models.torch.calls import Call  # noqa: E402
from graytorgb.models.torch.example import list_calls  # noqa: E402
from graytorgb.models.torch.image_arguments import (  # noqa: E402
    EACH,
    FIRST,
    ImageArgument,
    apply_to_images,
    find_images,
    list_leaves,
)

IMAGE, OTHER, MASK = "image", "other", "mask"
KEYS = {IMAGE: ["image", "x"], OTHER: ["labels", "words"], MASK: ["mask", "pixel_mask"]}


class AnyCall(nn.Module):
    """A network that takes everything, and whose call is what is tested."""

    def forward(self, first, *others, **named):
        return 0


def make_leaf(kind, channels):
    if kind == IMAGE:
        return torch.ones(2, channels, 6, 5)
    if kind == MASK:
        return torch.full((2, 6, 5), 2.0)
    return torch.arange(2)


@st.composite
def arguments(draw, depth=3):
    """Return the kinds of leaves in nested containers, with at least one image."""
    kind = draw(st.sampled_from([dict, list, tuple, OrderedDict, UserDict]))
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from([IMAGE, OTHER, MASK]))
    items = draw(st.lists(arguments(depth - 1), min_size=1, max_size=3))
    if kind in (list, tuple):
        return kind(items)
    return kind({f"{find_key(item)}_{k}": item for k, item in enumerate(items)})


def find_key(item):
    """Return a name that goes with what is in a dict's item."""
    return KEYS[item][0] if isinstance(item, str) else "part"


def fill(kinds, channels):
    """Return the arguments with a tensor for each kind."""
    if isinstance(kinds, str):
        return make_leaf(kinds, channels)
    if isinstance(kinds, list | tuple):
        return type(kinds)(fill(each, channels) for each in kinds)
    return type(kinds)((key, fill(kinds[key], channels)) for key in kinds)


def has_equal_lists(kinds):
    """Whether lists inside a list have one length; else a call repeats the first one's length."""
    if isinstance(kinds, str):
        return True
    items = list(kinds.values()) if hasattr(kinds, "values") else kinds
    lengths = {len(item) for item in items if isinstance(item, list | tuple)}
    return len(lengths) < 2 and all(map(has_equal_lists, items))


def count_images(kinds):
    return sum(leaf == IMAGE for _, leaf in list_leaves(kinds))


@settings(max_examples=30)
@given(arguments().filter(count_images), st.booleans())
def test_an_example_says_which_leaves_are_images(kinds, named):
    example = {"first": fill(kinds, 3)} if named else (fill(kinds, 3), 3)
    call = next(list_calls(AnyCall(), example))
    gray = fill(kinds, 1)
    args, kwargs = apply_to_images(lambda image, axis: image.expand(-1, 3, -1, -1), call.images,
        (gray,), {})  # fmt: skip
    assert kwargs == {}
    for (path, leaf), (before, kind) in zip(list_leaves(args[0]), list_leaves(kinds), strict=True):
        assert path == before
        assert tuple(leaf.shape) == tuple(make_leaf(kind, 3).shape)
    # the caller's containers and tensors are as they were
    assert [tuple(leaf.shape) for _, leaf in list_leaves(gray)] == [
        tuple(make_leaf(kind, 1).shape) for _, kind in list_leaves(kinds)
    ]
    assert type(args[0]) is type(gray)
    assert len(find_images(call.images, (gray,), {})) == count_images(kinds)


@settings(max_examples=30)
@given(arguments().filter(count_images).filter(has_equal_lists))
def test_a_call_is_made_as_its_example_was(kinds):
    example = (fill(kinds, 3),)
    call = next(list_calls(AnyCall(), example))
    grays = call.make_gray(torch.zeros(()), Preprocessing())
    images = call.make_color(grays, Preprocessing().normalization)
    args, _ = call.make_arguments(images)
    assert [(path, tuple(leaf.shape)) for path, leaf in list_leaves(args[0])] == [
        (path, tuple(leaf.shape)) for path, leaf in list_leaves(example[0])
    ]
    again = pickle.loads(pickle.dumps(copy.deepcopy(call)))
    assert (again.images, again.shapes) == (call.images, call.shapes)


class TestSizes:
    """A call for images of another size, and for more of them."""

    def make_call(self):
        masks = {"mask": torch.rand(1, 1, 6, 4), "pixel_mask": torch.rand(1, 6, 4)}
        others = {"words": torch.arange(5)[None], "scale": 2.0, "matrix": torch.rand(6, 5)}
        return next(list_calls(AnyCall(), {"first": torch.rand(1, 3, 6, 4), **masks, **others}))

    def test_masks_have_the_size_of_the_image(self):
        call = self.make_call()
        other = call.with_size((12, 8))
        assert other.shape == (1, 12, 8)
        mask = call.kwargs["mask"].repeat_interleave(2, 2).repeat_interleave(2, 3)
        assert torch.equal(other.kwargs["mask"], mask)
        assert other.kwargs["pixel_mask"].shape == (1, 12, 8)
        assert other.kwargs["matrix"].shape == (6, 5)
        assert other.kwargs["scale"] == 2.0

    def test_all_is_repeated_for_more_images(self):
        other = self.make_call().with_size((6, 4), 3)
        assert other.shape == (3, 6, 4)
        assert other.kwargs["mask"].shape == (3, 1, 6, 4)
        assert other.kwargs["words"].tolist() == [[0, 1, 2, 3, 4]] * 3

    def test_the_same_size_is_the_same_call(self):
        call = self.make_call()
        other = call.with_size((6, 4))
        assert other.shapes == call.shapes
        assert all(other.kwargs[name] is call.kwargs[name] for name in call.kwargs)

    def test_a_list_gets_longer(self):
        call = Call.of_batch((1, 6, 4), as_list=True).with_size((8, 8), 3)
        args, kwargs = call.make_arguments(torch.zeros(3, 1, 8, 8))
        assert [image.shape for image in args[0]] == [(1, 8, 8)] * 3
        assert not kwargs


class TestAtTheCall:
    """Containers whose structure no example has told."""

    def apply(self, *args, images=(FIRST,), **kwargs):
        return apply_to_images(lambda image, axis: image + 1, images, args, kwargs)

    def test_a_mask_and_an_embedding_are_no_images(self):
        image = torch.zeros(2, 1, 6, 5)
        batch = {
            "x": image, "pixel_mask": torch.zeros(2, 6, 5), "mask": image, "tokens": torch.zeros(2),
            "h": torch.zeros(2, 7, 16), "labels": image, "target_sizes": torch.zeros(2, 1, 1, 2),
        }  # fmt: skip
        [changed], _ = self.apply(batch)
        assert {key for key in batch if changed[key] is not batch[key]} == {"x"}

    def test_a_named_image_is_chosen_among_others(self):
        image = torch.zeros(2, 1, 6, 5)
        [changed], _ = self.apply({"y": image, "pixel_values": image})
        assert changed["y"] is image
        assert changed["pixel_values"].sum() == image.numel()

    def test_what_cannot_be_told(self):
        image = torch.zeros(2, 1, 6, 5)
        with pytest.raises(ChannelError, match=r"which of 'y', 'z' are images: .*example="):
            self.apply({"y": image, "z": image})

    def test_no_image(self):
        for args in ((), (3,), ({},), ([],), ({"words": torch.zeros(2, 1, 1, 1)},)):
            with pytest.raises(ChannelError, match=r"\(N, 1, H, W\), and got no image"):
                self.apply(*args)
        # a network of texts and images may be given a text alone
        text = torch.zeros(1, 5, dtype=torch.long)
        images = (ImageArgument(1, "pixel_values"),)
        _, kwargs = self.apply(images=images, input_ids=text, pixel_values=None)
        assert kwargs == {"input_ids": text, "pixel_values": None}

    def test_places(self):
        image = torch.zeros(1, 6, 5)
        either = (ImageArgument(1, "image"),)
        assert self.apply(0, image, images=either)[0][1].sum() == 30
        assert self.apply(0, image=image, images=either)[1]["image"].sum() == 30
        each = (ImageArgument(0, "batch", (EACH, "image")),)
        [[first, second]], _ = self.apply([{"image": image}, {"image": image, "k": 1}], images=each)
        assert first["image"].sum() == second["image"].sum() == 30


class TestExamples:
    def test_a_numpy_batch_as_files_hold_it(self):
        model = nn.Conv2d(3, 4, 3)
        calls = list(list_calls(model, torch.zeros(2, 6, 5, 3).numpy()))
        assert [(call.images[0].axis, call.shape) for call in calls] == [
            (-1, (2, 6, 5)), (-3, (2, 6, 5)),
        ]  # fmt: skip

    @pytest.mark.parametrize("name", ["example_input_array", "dummy_inputs"])
    @pytest.mark.parametrize("kind", ["tensor", "tuple", "dict"])
    def test_the_network_states_its_input(self, name, kind):
        model = nn.Sequential(nn.Conv2d(3, 4, 3))
        tensor = torch.zeros(2, 3, 17, 19)
        stated = {"tensor": tensor, "tuple": (tensor,), "dict": {"input": tensor}}[kind]
        setattr(model, name, stated)
        assert next(list_calls(model, None)).shape == (2, 17, 19)

    def test_sizes_that_a_configuration_states(self):
        model = nn.Sequential(nn.Conv2d(3, 4, 3))
        model.config = type("Config", (), {"image_size": [20, 24], "num_frames": 3})()
        assert next(list_calls(model, None)).shape == (1, 3, 20, 24)
        assert next(list_calls(model, (8, 9))).shape == (1, 3, 8, 9)

    def test_a_target_beside_an_image_without_a_name(self):
        class Loss(nn.Module):
            def __init__(self):
                super().__init__()
                self.stem = nn.Conv2d(3, 3, 1)

            def forward(self, x, y):
                return (self.stem(x) - y).pow(2).mean()

        image = torch.zeros(1, 3, 6, 5)
        with pytest.raises(ModelError, match=r"whether 'y' in example is an image"):
            adapt(Loss(), (0.5, 0.5), how="expand", example=(image, image))
