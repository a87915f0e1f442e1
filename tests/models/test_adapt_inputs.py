"""adapt on torch networks of every kind of input: images among other arguments."""

import copy
import pickle
from collections import OrderedDict, namedtuple

import pytest

from graytorgb import ChannelError, ModelError
from graytorgb.models import adapt

from ..support import needs_package

needs_package("torch", "transformers")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from transformers import BatchEncoding, BatchFeature  # noqa: E402

from .networks import MEAN, STD, assert_same_outputs, make_color, randomize_constants  # noqa: E402

EVERY_HOW = pytest.mark.parametrize("how", ["expand", "learned", "collapse"])
STATS = (MEAN, STD)


def make_gray(*shape):
    """Return gray noise in float64."""
    return torch.rand(shape, dtype=torch.float64)


def list_examples(how, *examples):
    """Return what may be stated as an example; only how="collapse" needs one, to run a network."""
    return examples if how == "collapse" else (None, *examples)


def make_frames_color(gray):
    """Return the original's input for clips (N, T, 1, H, W)."""
    return make_color(gray.flatten(0, 1)).unflatten(0, gray.shape[:2])


class Stem(nn.Module):
    """A network whose forward() is given by a subclass."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        randomize_constants(self)


class Siamese(Stem):
    def forward(self, first, second):
        return self.stem(first) - self.stem(second)


class Masked(Stem):
    def forward(self, mask, image):
        return self.stem(image) * mask


class KeywordOnly(Stem):
    def forward(self, *, image, scale=1.0):
        return self.stem(image) * scale


class OfBatch(Stem):
    """A network of one argument, a batch as a data loader returns it."""

    def forward(self, batch):
        if isinstance(batch, list | tuple):
            image, labels = batch
            return self.stem(image) + labels[:, None, None, None]
        return self.stem(batch["image"]) * batch["mask"]


class OfDicts(Stem):
    """A network of a list of dicts, as detectron2 and Segment Anything have them."""

    def forward(self, batched_inputs, multimask=False):
        outputs = [self.stem(each["image"])[:, : each["height"]] for each in batched_inputs]
        return [output * 2 for output in outputs] if multimask else outputs


class OfImages(Stem):
    """A network of a list of images or of batches, as DINO's crops of several sizes."""

    def forward(self, images):
        return [self.stem(image) for image in images]


class ChannelsLast(Stem):
    def forward(self, x):
        return self.stem(x.movedim(-1, -3))


class Frames(Stem):
    """A network of clips (N, T, C, H, W) with two-dimensional convolutions."""

    def forward(self, clip):
        n, frames, _, _, _ = clip.shape
        return self.stem(clip.flatten(0, 1)).unflatten(0, (n, frames)).mean(1)


class Wrapper(nn.Module):
    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *args, **kwargs):
        return self.module(*args, **kwargs)


@EVERY_HOW
class TestArguments:
    """Images in the place where the network's own arguments have them."""

    def test_two_images(self, how):
        model = Siamese()
        first, second = make_gray(2, 1, 8, 9), make_gray(2, 1, 8, 9)
        expected = model(make_color(first), make_color(second))
        adapted = adapt(model, STATS, how=how, example=(make_gray(1, 3, 8, 8),) * 2)
        assert_same_outputs(adapted(first, second), expected)
        assert_same_outputs(adapted(first, second=second), expected)
        assert_same_outputs(adapted(second=second, first=first), expected)
        assert_same_outputs(adapt(model, STATS, how=how)(first, second), expected)

    def test_a_mask_before_the_image(self, how):
        model, gray, mask = Masked(), make_gray(2, 1, 8, 8), make_gray(2, 1, 8, 8)
        expected = model(mask, make_color(gray))
        examples = (
            {"mask": mask, "image": gray}, {"image": make_color(gray), "mask": mask},
            (mask, make_color(gray)), (mask, gray),
        )  # fmt: skip
        for example in list_examples(how, *examples):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(mask, gray), expected)
            assert_same_outputs(adapted(mask, image=gray), expected)
        # the mask alone isn't the image
        with pytest.raises((ChannelError, TypeError)):
            adapt(model, STATS, how=how, example=examples[0])(mask)

    def test_keywords_only(self, how):
        model, gray = KeywordOnly(), make_gray(2, 1, 8, 8)
        adapted = adapt(model, STATS, how=how)
        assert_same_outputs(adapted(image=gray, scale=2.0), 2 * model(image=make_color(gray)))
        adapted = adapt(model, STATS, how=how, example={"image": gray, "scale": 3.0})
        assert_same_outputs(adapted(image=gray), model(image=make_color(gray)))
        with pytest.raises(
            (ChannelError, TypeError), match=r"got no image in 'image'|missing .*'image'"
        ):
            adapted(scale=make_gray(2, 1, 8, 8))

    @pytest.mark.parametrize(
        "kind", [dict, OrderedDict, BatchFeature, BatchEncoding], ids=lambda kind: kind.__name__
    )
    def test_a_dict_as_the_only_argument(self, how, kind):
        model = OfBatch()
        batch = kind({"image": make_gray(2, 1, 8, 8), "mask": make_gray(2, 1, 8, 8)})
        expected = model(dict(batch) | {"image": make_color(batch["image"])})
        color = {**batch, "image": make_color(batch["image"])}
        for example in list_examples(how, batch, color, (batch,)):
            adapted = adapt(model, STATS, how=how, example=example)
            before = dict(batch)
            assert_same_outputs(adapted(batch), expected)
            assert_same_outputs(adapted(batch=batch), expected)
            assert all(batch[key] is before[key] for key in before)

    @pytest.mark.parametrize("kind", [list, tuple, namedtuple("Batch", "image labels")])
    def test_a_batch_with_labels(self, how, kind):
        model, image, labels = OfBatch(), make_gray(2, 1, 8, 8), torch.tensor([1, 2])
        make = kind._make if hasattr(kind, "_make") else kind
        batch = make([image, labels])
        expected = model([make_color(image), labels])
        for example in list_examples(how, batch, (batch,)):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(batch), expected)

    def test_a_list_of_dicts(self, how):
        model = OfDicts()
        sizes = (8, 8), (6, 9), (5, 5)
        batch = [{"image": make_gray(1, *size), "height": 4 - k} for k, size in enumerate(sizes)]
        color = [{**each, "image": make_color(each["image"][None])[0]} for each in batch]
        examples = color, batch, (batch, True), {"batched_inputs": color}
        for example in list_examples(how, *examples):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(batch), model(color))
            assert_same_outputs(adapted(batch[:1], multimask=True), model(color[:1], True))

    @pytest.mark.parametrize("batched", [False, True])
    def test_a_list_of_images_of_several_sizes(self, how, batched):
        model = OfImages()
        sizes = (8, 8), (6, 9), (5, 5)
        images = [make_gray(*[2][:batched], 1, *size) for size in sizes]
        colors = [make_color(i if batched else i[None]) for i in images]
        colors = colors if batched else [color[0] for color in colors]
        for example in (images, colors, (tuple(colors),)):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(images), model(colors))
            assert_same_outputs(adapted(tuple(images[:2])), model(colors[:2]))

    def test_an_image_without_a_batch(self, how):
        model, gray = nn.Sequential(nn.Conv2d(3, 4, 3)).double(), make_gray(1, 8, 9)
        for example in (None, make_gray(3, 8, 9), gray, gray.numpy()):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(gray), model(make_color(gray[None])[0]))
            assert_same_outputs(adapted(gray[None]), model(make_color(gray[None])))

    def test_channels_last(self, how):
        model, gray = ChannelsLast(), make_gray(2, 8, 9, 1)
        adapted = adapt(model, STATS, how=how, example=gray)
        assert_same_outputs(adapted(gray), model(make_color(gray.movedim(-1, 1)).movedim(1, -1)))
        with pytest.raises(ChannelError, match=r"\(N, H, W, 1\)"):
            adapted(make_gray(2, 8, 9, 3))

    @pytest.mark.parametrize("frames", [3, 4])
    def test_clips_of_frames(self, how, frames):
        model, gray = Frames(), make_gray(2, frames, 1, 8, 9)
        for example in (None, (frames, 8, 8), gray, make_gray(1, frames, 3, 8, 8)):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(gray), model(make_frames_color(gray)))
        with pytest.raises(ChannelError, match="one channel"):
            adapted(gray.movedim(1, 2))

    def test_clips_of_volumes(self, how):
        model, gray = nn.Sequential(nn.Conv3d(3, 4, 3)).double(), make_gray(2, 1, 3, 8, 9)
        for example in (None, (3, 8, 8), gray, make_gray(1, 3, 3, 8, 8)):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(gray), model(make_color(gray)))

    def test_a_wrapper_of_any_arguments(self, how):
        model, gray, mask = Wrapper(Masked()), make_gray(2, 1, 8, 8), make_gray(2, 1, 8, 8)
        expected = model(mask, make_color(gray))
        examples = (mask, gray), {"mask": mask, "image": gray}
        for example in list_examples(how, *examples):
            adapted = adapt(model, STATS, how=how, example=example)
            assert_same_outputs(adapted(mask, gray), expected)
            assert_same_outputs(adapted(mask, image=gray), expected)
            assert_same_outputs(adapted(mask=mask, image=gray), expected)

    def test_copies_keep_the_arguments(self, how):
        model, gray, mask = Masked(), make_gray(2, 1, 8, 8), make_gray(2, 1, 8, 8)
        adapted = adapt(model, STATS, how=how, example={"mask": mask, "image": gray})
        for other in (copy.deepcopy(adapted), pickle.loads(pickle.dumps(adapted))):
            assert_same_outputs(other(mask, gray), adapted(mask, gray))


class TestUndecidable:
    """What can't be told is an error that says how to state it."""

    def test_two_gray_tensors_of_no_name_that_could_both_be_images(self):
        class Either(Stem):
            def forward(self, a, b):
                return self.stem(a.expand(-1, 3, -1, -1)) + b.mean()

        gray = make_gray(1, 1, 8, 8)
        with pytest.raises(ModelError, match=r"can't be told whether .* is an image"):
            adapt(Either(), STATS, how="expand", example=(gray, gray))

    def test_a_target_that_looks_like_an_image(self):
        class Loss(Stem):
            def forward(self, image, target):
                return (self.stem(image)[:, :3] - target).abs()

        model, gray, target = Loss(), make_gray(1, 1, 8, 8), make_gray(1, 3, 8, 8)
        with pytest.raises(ModelError, match=r"whether 'target' in example is an image: give"):
            adapt(model, STATS, how="expand", example={"image": make_color(gray), "target": target})
        adapted = adapt(model, STATS, how="expand", example={"image": gray, "target": target})
        assert_same_outputs(adapted(gray, target), model(make_color(gray), target))

    def test_required_arguments_of_unknown_meaning(self):
        class Unknown(Stem):
            def forward(self, a, b):
                return self.stem(a) * b["factor"]

        model, gray = Unknown(), make_gray(1, 1, 8, 8)
        with pytest.raises(ModelError, match=r"which arguments .* of 'a', 'b'.*example={name"):
            adapt(model, STATS, how="expand")
        adapted = adapt(model, STATS, how="expand", example=(gray, {"factor": 2}))
        assert_same_outputs(adapted(gray, {"factor": 3}), 3 * model.stem(make_color(gray)))

    def test_a_batch_of_two_gray_tensors(self):
        class Batch(Stem):
            def forward(self, batch):
                return self.stem(batch[0]) * batch[1]

        model, gray, mask = Batch(), make_gray(1, 1, 8, 8), make_gray(1, 1, 8, 8)
        with pytest.raises(ChannelError, match=r"which of 0, 1 are images.*example="):
            adapt(model, STATS, how="expand")((gray, mask))
        adapted = adapt(model, STATS, how="expand", example=((make_color(gray), mask),))
        assert_same_outputs(adapted((gray, mask)), model((make_color(gray), mask)))

    @pytest.mark.parametrize(
        "example",
        [{}, (), "224", 0, True, (8,), torch.zeros(1, 4, 8, 8), {"x": 3}, torch.zeros(8, 8),
            {"x": torch.zeros(1, 8)}, (torch.zeros(1, 3, 8, 8, dtype=torch.long),)],
        ids=str,
    )  # fmt: skip
    @pytest.mark.parametrize("how", ["expand", "collapse"])
    def test_no_example(self, example, how):
        with pytest.raises(ModelError, match="example is the size of an image"):
            adapt(nn.Conv2d(3, 4, 3), STATS, how=how, example=example)

    def test_an_example_that_the_network_does_not_take(self):
        with pytest.raises(ModelError, match=r"no image can be traced.*raises RuntimeError"):
            adapt(nn.Conv2d(4, 4, 3), STATS, how="expand", example=(8, 8))
