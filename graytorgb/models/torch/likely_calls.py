"""Likely calls of a torch network, for which no example of its arguments is given."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .calls import Call
from .example_arguments import order_axes, sees_volumes
from .image_arguments import EACH, ImageArgument
from .image_lists import takes_image_list
from .image_names import is_doubtful_name, is_image_name, is_other_name
from .parameters import Parameter, read_signature

_SIZES = (224, 256, 299, 384, 512, 96, 64, 32, 28)
_CLIPS = ((16, 112), (16, 224), (8, 224), (32, 224), (8, 112), (4, 32))  # frames and pixels
_WORDS = 5  # tokens of a text
_FRAMES = ("num_frames", "frames_per_clip")
_PIXELS = ("image_size", "crop_size", "input_size", "img_size")


def list_likely_calls(
    model: nn.Module, shapes: Iterable[tuple[tuple[int, ...], int]]
) -> Iterator[Call]:
    """Yield the likely calls of a network with images of each shape.

    Parameters
    ----------
    model : nn.Module
    shapes : iterable of (shape, axis)
        The shape of a batch without its channel axis, and this axis, counted from the end.
    """
    images = find_image_parameters(model)
    as_list = takes_image_list(model)
    for shape, axis in shapes:
        if images is None:
            continue
        path = (EACH,) if as_list else ()
        places = [ImageArgument(p.position, p.name or None, path, axis) for p in images]
        for others in _list_other_arguments(model, images, shape, axis):
            yield _make_call(places, shape, others, as_list=as_list)


def make_partial_call(model: nn.Module, shape: tuple[int, ...], axis: int) -> Call | None:
    """Return a call with a network's images and no other arguments; None if it is unclear."""
    images = find_image_parameters(model)
    if images is None or (len(images) > 1 and not is_image_name(images[0].name)):
        return None
    as_list = takes_image_list(model)
    path = (EACH,) if as_list else ()
    places = [ImageArgument(p.position, p.name or None, path, axis) for p in images]
    return _make_call(places, shape, {}, as_list=as_list)


def _make_call(
    places: list[ImageArgument], shape: tuple[int, ...], others: dict[str, Any], *, as_list: bool
) -> Call:
    """Return a call with an image at each place, by position where all places before are images."""
    args: list[Any] = []
    kwargs = dict(others)
    for place in places:
        empty = [None] * shape[0] if as_list else None
        if place.position == len(args):
            args.append(empty)
        else:
            assert place.name is not None
            kwargs[place.name] = empty
    return Call(tuple(places), (shape,) * len(places), tuple(args), kwargs)


def find_image_parameters(model: nn.Module) -> list[Parameter] | None:
    """Return the parameters of ``forward`` that take images by their names; None if unclear."""
    signature = read_signature(model)
    parameters = list(signature.parameters.values())
    required = [p for p in parameters if p.is_required and not is_other_name(p.name)]
    named = [p for p in required if is_image_name(p.name)]
    if named:
        return named
    if required:
        return None if any(is_doubtful_name(p.name) for p in required) else required
    main = getattr(model, "main_input_name", None)  # Hugging Face
    pixels = [p for p in parameters if p.name.startswith("pixel_values")]
    if pixels:
        return [next((p for p in pixels if p.name == main), pixels[0])]
    free = [p for p in parameters if p.position == 0 and not is_other_name(p.name)]
    if free:
        return free
    return [Parameter("", 0, is_required=True)] if signature.takes_any_place else None


def list_likely_shapes(
    model: nn.Module, sides: tuple[int, ...] | None = None
) -> Iterator[tuple[tuple[int, ...], int]]:
    """Yield the shapes of batches to try, without the channel axis, and this axis.

    Parameters
    ----------
    model : nn.Module
    sides : tuple of int, optional
        The sides of an image or a clip, if they are known.
    """
    axes = order_axes(model, (-3, -4))
    frames = [n for n in _list_stated(model, _FRAMES) if isinstance(n, int)]
    stated = _list_stated_sizes(model)
    images: list[tuple[int, ...]] = []
    clips: list[tuple[int, ...]] = []
    if sides is None:
        images = list(dict.fromkeys([*stated, *((n, n) for n in _SIZES)]))
        clips = [(n, *size) for size in stated for n in frames]
        clips += [(n, side, side) for n, side in _CLIPS]
    elif len(sides) == 2:
        images = [(sides[0], sides[1])]
        clips = [(n, *sides) for n in dict.fromkeys([*frames, *(n for n, _ in _CLIPS)])]
    else:
        clips = [sides]
    shapes = [((1, *clip), axis) for clip in clips for axis in axes]
    takes_clips = bool(frames) or sees_volumes(model)
    if takes_clips:
        yield from shapes
    yield from (((1, *size), -3) for size in images)
    if not takes_clips:
        yield from shapes


def find_timm_size(model: nn.Module) -> tuple[int, ...] | None:
    """Return the input size (C, H, W) that a timm network states, or None."""
    config = getattr(model, "pretrained_cfg", None)
    return config.get("input_size") if isinstance(config, dict) else None


def _list_stated_sizes(model: nn.Module) -> list[tuple[int, int]]:
    """Return the image sizes that the network states."""
    sizes = []
    for size in (find_timm_size(model), *_list_stated(model, _PIXELS)):
        if isinstance(size, int):
            sizes.append((size, size))
        elif isinstance(size, list | tuple) and len(size) >= 2:
            sizes.append((int(size[-2]), int(size[-1])))
        elif isinstance(size, dict) and {"height", "width"} <= size.keys():
            sizes.append((int(size["height"]), int(size["width"])))
    return list(dict.fromkeys(sizes))


def _list_stated(model: nn.Module, names: tuple[str, ...]) -> list[Any]:
    """Return what a network or its configuration states under these names, the outermost first."""
    config = getattr(model, "config", None)
    owners = [config, *(
        getattr(config, name, None) for name in ("vision_config", "encoder", "backbone_config")
    ), model]  # fmt: skip
    found = [getattr(owner, name, None) for owner in owners for name in names]
    return [value for value in found if value is not None and not callable(value)]


def _list_other_arguments(
    model: nn.Module, images: list[Parameter], shape: tuple[int, ...], axis: int
) -> Iterator[dict[str, Any]]:
    """Yield the other arguments that the network may need: texts, masks and time steps."""
    signature = read_signature(model)
    required: dict[str, Any] = {}
    for p in signature.parameters.values():
        if p.is_required and p not in images:
            filler = _make_filler(model, p.name, shape)
            if filler is None:
                return
            required[p.name] = filler
    texts: list[str] = [
        name for name in ("input_ids", "decoder_input_ids") if name in signature.parameters
    ]
    optional = [name for name in texts if name not in required]
    if optional and hasattr(model, "config"):
        tokens = dict.fromkeys(optional, _make_tokens(model, shape, images, axis))
        yield required | tokens
    yield required


def _make_filler(model: nn.Module, name: str, shape: tuple[int, ...]) -> Tensor | None:
    """Return a likely value of a required argument, or None for an unknown one."""
    device = next((p.device for p in model.parameters()), None)
    words = name.lower()
    if words.endswith("input_ids"):
        return _make_tokens(model, shape, [], -3)
    if words.endswith("attention_mask"):
        return torch.ones((shape[0], _WORDS), dtype=torch.long, device=device)
    if words in ("timestep", "timesteps", "t"):
        return torch.ones(shape[0], dtype=torch.long, device=device)
    return None


def _make_tokens(
    model: nn.Module, shape: tuple[int, ...], images: list[Parameter], axis: int
) -> Tensor:
    """Return token ids of a text, (N, L), that holds the tokens of an image where they are needed.

    A network such as LLaVA puts the features of the image in the place of special tokens.
    """
    config: Any = model.config
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    vocabulary = getattr(text, "vocab_size", None) or 10
    marker = getattr(config, "image_token_id", None) or getattr(config, "image_token_index", None)
    used = {marker, getattr(text, "pad_token_id", None), getattr(text, "eos_token_id", None)}
    plain = [token for token in range(vocabulary) if token not in used] or [0]
    tokens = [plain[(3 + k) % len(plain)] for k in range(_WORDS)]
    end = getattr(text, "eos_token_id", None)
    if isinstance(end, int) and 0 <= end < vocabulary:
        tokens[-1] = end
    if marker is not None and images:
        tokens = [marker] * _count_image_tokens(model, shape, images[0].name, axis) + tokens
    device = next((p.device for p in model.parameters()), None)
    return torch.tensor(tokens, device=device).expand(shape[0], -1)


def _count_image_tokens(model: Any, shape: tuple[int, ...], name: str, axis: int) -> int:
    """Return how many tokens of a text the features of an image take, or 0 if it isn't known."""
    like = next(p for p in model.parameters() if p.is_floating_point())
    place = len(shape) + 1 + axis
    images = torch.zeros((*shape[:place], 3, *shape[place:]), device=like.device, dtype=like.dtype)
    try:
        with torch.no_grad():
            features = model.get_image_features(**{name: images})
    except Exception:  # a network without this method, or that takes more
        return 0
    features = getattr(features, "pooler_output", features)
    while isinstance(features, list | tuple) and features:
        features = features[0]
        if isinstance(features, Tensor) and features.ndim == 2:
            return features.shape[0]
    return features.shape[-2] if isinstance(features, Tensor) and features.ndim > 1 else 0
