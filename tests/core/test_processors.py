"""Run every image and video processor of transformers on gray images, and compare it with stats."""

import json
import re
import warnings

import numpy as np
import pytest

import graytorgb as g2r

from ..support import needs, needs_package

needs("torchvision")
needs_package("transformers")

import PIL.Image  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import ProcessorMixin  # noqa: E402
from transformers.image_processing_base import ImageProcessingMixin  # noqa: E402

LEVELS = (20, 235)  # two tell a mean and a std; padding has other levels
SIDE = 56
UNEQUAL = {
    "image_mean": [0.1, 0.2, 0.3],
    "image_std": [0.4, 0.5, 0.6],
    "do_normalize": True,
    "do_rescale": True,
}


def processor_classes():
    """Return the processors of images and videos by name, for torchvision and for Pillow."""
    ends = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "VideoProcessor")
    names = [name for name in dir(transformers) if name.endswith(ends)]
    kinds = {name: getattr(transformers, name) for name in names}
    return {
        name: kind
        for name, kind in kinds.items()
        if issubclass(kind, ImageProcessingMixin) and not name.startswith("Base")
    }


CLASSES = processor_classes()
# The arguments that processors are made with, and called with beside one image
MADE_WITH = {
    "LayoutLM": {"apply_ocr": False},
    "TimmWrapper": {"pretrained_cfg": {"mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6)}},
    "Ernie4_5_VLMoeVideo": {"draw_on_frames": False},
    "NemotronH_Omni_Reasoning_V3Video": {"norm_mean": [0.1, 0.2, 0.3], "norm_std": [0.4, 0.5, 0.6]},
}
SPLITTING = {"do_image_splitting": False}
MADE_WITH |= {"Idefics3Image": SPLITTING, "SmolVLMImage": SPLITTING}
# These processors accept only images of their own size.
WHOLE = ("Molmo2ImageProcessor", "PI0ImageProcessor", "SamImageProcessor")
PAIRS = ("EfficientLoFTR", "LightGlue", "SuperGlue")
# Processors that have no statistics with their default arguments, and why
REFUSED = {
    "ImageGPTImageProcessor": "numbers of its color clusters",
    "Kosmos2_5ImageProcessor": "normalizes each image by that image's own",
    "LayoutLMv2ImageProcessor": "doesn't rescale",
    "Molmo2VideoProcessor": "doesn't rescale",
    "PeVideoVideoProcessor": "doesn't rescale",
    "Pix2StructImageProcessor": "normalizes each image by that image's own",
}


def base(name):
    return name.removesuffix("Fast").removesuffix("Pil")


def make(name, **options):
    for start, given in MADE_WITH.items():
        if name.startswith(start):
            options = given | options
    processor = CLASSES[name](**options)
    for field in ("size", "crop_size", "pad_size"):
        shrink(processor, field)
    return processor


def shrink(processor, field):
    """Make a processor's images small, because they are all of one level."""
    size = getattr(processor, field, None)
    names = {name: getattr(size, name, None) for name in ("height", "width")}
    if isinstance(size, dict):
        names = {name: size.get(name) for name in names}
    if all(names.values()) and base(type(processor).__name__) not in WHOLE:
        setattr(processor, field, type(size)(**dict.fromkeys(names, SIDE)))


def run(processor, level):
    """Return a processor's arrays of floats for an image of one level."""
    name = type(processor).__name__
    if "VideoProcessor" in name:
        video = torch.full((4, 3, SIDE, SIDE), level, dtype=torch.uint8)
        return list(arrays(processor([video], do_sample_frames=False)))
    image = PIL.Image.new("RGB", (SIDE, SIDE), (level,) * 3)
    if name.startswith(PAIRS):
        return list(arrays(processor([image, image])))
    if name.startswith("VitMatte"):
        trimap = PIL.Image.new("L", (SIDE, SIDE))
        return [array[:3] for array in arrays(processor([image], trimaps=[trimap]))]
    if name.startswith("VitPose"):
        return list(arrays(processor([image], boxes=[[[0, 0, SIDE, SIDE]]])))
    return list(arrays(processor([image])))


def arrays(output):
    """Return the arrays in an output that can be an image: floats, or bytes not rescaled."""
    if hasattr(output, "items"):
        for value in output.values():
            yield from arrays(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from arrays(value)
    elif hasattr(output, "shape"):
        array = output.float().numpy() if isinstance(output, torch.Tensor) else output
        while array.size > 1_000_000 and array.ndim > 3:
            array = array[0]  # the first of many crops or frames
        if array.ndim > 1 and array.size > 3 * 14 * 14:
            yield np.asarray(array, np.float32)


def channels(array):
    """Yield each reading of an array as three channels, (3, N): an axis of 3, or patches."""
    for axis, size in enumerate(array.shape):
        if size == 3:
            yield np.moveaxis(array, axis, 0).reshape(3, -1)
    if array.shape[-1] % 3 == 0 and array.shape[-1] > 3:
        yield array.reshape(-1, 3).T
        yield np.moveaxis(array.reshape(-1, 3, array.shape[-1] // 3), 1, 0).reshape(3, -1)


def shares(outputs, mean, std, rounding):
    """Return the smallest share, over all levels, of a channel's values that agree with stats.

    The rest is padding. Of several arrays and ways to read them, the best.
    """
    found = [0.0]
    for same in zip(*outputs, strict=True):
        for readings in zip(*map(channels, same), strict=True):
            expected = [(level / 255 - mean) / std for level in LEVELS]
            found.append(
                min(
                    (np.abs(values - want[:, None]) < rounding).mean(1).min()
                    for values, want in zip(readings, expected, strict=False)
                )
            )
    return max(found)


@pytest.fixture(autouse=True)
def quiet():
    """Ignore the warnings of transformers."""
    transformers.logging.set_verbosity_error()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def rounding(name):
    """Convert an array to NumPy; Llama4's arrays are bfloat16."""
    return 0.01 if name == "Llama4ImageProcessor" else 1e-4


def outcome(source):
    """Return stats' result, or its error without the name of the class's library."""
    try:
        return g2r.stats(source)
    except g2r.LevelsError as error:
        return str(error).replace("Pil ", " ").replace("Fast ", " ")


def statistics(source):
    mean, std = (np.array(values) for values in g2r.stats(source))
    return np.broadcast_to(mean, 3), np.broadcast_to(std, 3)


@pytest.mark.parametrize("name", CLASSES)
class TestEveryProcessor:
    @pytest.mark.slow
    def test_as_it_is_made(self, name):
        processor = make(name)
        if base(name) in REFUSED:
            with pytest.raises(g2r.LevelsError, match=REFUSED[base(name)]):
                g2r.stats(processor)
        else:
            outputs = [run(processor, level) for level in LEVELS]
            assert shares(outputs, *statistics(processor), rounding(name)) > 0.1

    @pytest.mark.slow
    def test_with_statistics_of_ones_own(self, name):
        """A mean and std that differ between channels show the order of the channels."""
        processor = make(name, **UNEQUAL)
        if isinstance(outcome(processor), str):
            assert base(name) in REFUSED
            assert any(re.search(reason, outcome(processor)) for reason in REFUSED.values())
            return
        outputs = [run(processor, level) for level in LEVELS]
        assert shares(outputs, *statistics(processor), rounding(name)) > 0.1

    def test_a_configuration_gives_the_same(self, name):
        """The configuration that a processor writes, and one without its class's defaults."""
        kind = "video_processor_type" if "Video" in name else "image_processor_type"
        own = {key: UNEQUAL[key] for key in ("image_mean", "image_std")}
        written = [(make(name, **options), None) for options in ({}, UNEQUAL)]
        for processor, config in [*written, (make(name, **own), {kind: name} | own)]:
            config = json.loads(processor.to_json_string()) if config is None else config
            assert outcome(config) == outcome(processor)


def test_what_else_is_called_a_processor():
    """No processor is left out: the others hold processors, or make them of files."""
    ends = ("ImageProcessor", "ImageProcessorFast", "ImageProcessorPil", "VideoProcessor")
    for name in dir(transformers):
        if name.endswith(ends) and name not in CLASSES:
            kind = getattr(transformers, name)
            assert name.startswith(("Auto", "Base")) or issubclass(kind, ProcessorMixin)


def test_sound():
    """A mean and a std of spectrograms aren't accepted for images."""
    extractor = transformers.ASTFeatureExtractor()
    for source in (extractor, json.loads(extractor.to_json_string())):
        with pytest.raises(g2r.LevelsError, match=r"an AST\w+ has statistics of sound"):
            g2r.stats(source)
    for kind in (transformers.WhisperFeatureExtractor, transformers.Wav2Vec2FeatureExtractor):
        with pytest.raises(g2r.LevelsError, match=r"has no mean and std|statistics of sound"):
            g2r.stats(kind())


class Holder:
    """A processor of several kinds of input, as AutoProcessor makes it, is read."""

    def __init__(self, **held):
        vars(self).update(held)


class TestHolders:
    def test_either_kind(self):
        image, video = transformers.ViTImageProcessor(), transformers.VivitVideoProcessor()
        assert g2r.stats(Holder(image_processor=image)) == g2r.stats(image)
        assert g2r.stats(Holder(video_processor=video)) == g2r.stats(video)
        assert g2r.stats({"image_processor": json.loads(image.to_json_string())}) == g2r.stats(
            image
        )

    def test_that_agree_or_not(self):
        image, video = transformers.Qwen2VLImageProcessor(), transformers.Qwen2VLVideoProcessor()
        assert g2r.stats(Holder(image_processor=image, video_processor=video)) == g2r.stats(image)
        other = transformers.VivitVideoProcessor()
        with pytest.raises(g2r.LevelsError, match="Qwen2VLImageProcessor and a VivitVideo"):
            g2r.stats(Holder(image_processor=image, video_processor=other))

    def test_what_is_only_called_so(self):
        """A network that has a part called image_processor."""
        network = torch.nn.Module()
        network.feature_extractor = torch.nn.Linear(3, 3)
        with pytest.raises(g2r.LevelsError, match="a Module has no mean and std"):
            g2r.stats(network)


def test_vivit():
    """Vivit's values go from -3 to 1: scaled to -1 to 1, and then normalized by 0.5."""
    for name in ("VivitImageProcessor", "VivitVideoProcessor"):
        mean, std = g2r.stats(getattr(transformers, name)())
        assert np.allclose(mean, 0.75)
        assert np.allclose(std, 0.25)


def test_reversed_channels():
    options = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
    turned = (0.3, 0.2, 0.1), (0.6, 0.5, 0.4)
    assert g2r.stats(transformers.TvpImageProcessor(**options)) == turned
    kept = transformers.TvpImageProcessor(do_flip_channel_order=False, **options)
    assert g2r.stats(kept) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))


def test_statistics_that_are_missing():
    """A configuration that leaves the statistics to its class isn't guessed."""
    config = {"image_processor_type": "ViTImageProcessor", "do_rescale": True}
    with pytest.raises(
        g2r.LevelsError, match=r"normalizes, but has no image_mean.*from_pretrained"
    ):
        g2r.stats(config)


def test_subclasses_and_classes():
    class Mine(transformers.VivitVideoProcessor):
        pass

    assert g2r.stats(Mine()) == g2r.stats(transformers.VivitVideoProcessor())
    assert g2r.stats(Mine) == g2r.stats(transformers.VivitVideoProcessor())
