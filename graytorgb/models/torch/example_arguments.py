"""Arguments that ``example=`` gives: which of them are images, and on which axis channels are."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ModelError
from ..stem import CHANNELS, quote_names
from .calls import Call
from .image_arguments import EACH, ImageArgument, Key, list_leaves, set_at_path
from .image_names import is_doubtful_name, is_image_name, is_other_name
from .parameters import Signature, read_signature

_MOST = 4  # how many gray tensors are tried in every combination


class _Leaf(NamedTuple):
    """A tensor among the arguments: where it is, what it is called, and the tensor."""

    position: int | None
    name: str | None
    path: tuple[Key, ...]
    tensor: Tensor

    @property
    def label(self) -> str:
        """Return the innermost name."""
        names = [key for key in self.path if isinstance(key, str)]
        return names[-1] if names else self.name or ""


def list_example_calls(model: nn.Module, example: Any) -> Iterator[Call]:
    """Yield the calls that an example of a network's arguments may mean, the likeliest first.

    Parameters
    ----------
    model : nn.Module
    example : tuple, list or mapping
        The positional arguments, the arguments by name, or the only argument.

    Raises
    ------
    ModelError
        If no tensor may be an image, or a tensor may be one or not.
    """
    signature = read_signature(model)
    found = False
    for args, kwargs in _list_readings(signature, example):
        leaves = list(_list_tensors(signature, args, kwargs))
        for call in _list_calls_of(model, leaves, args, kwargs):
            found = True
            yield call
    if not found:
        raise make_example_error(example)


def _list_readings(
    signature: Signature, example: Any
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield an example as positional arguments and keywords, in each way it can be meant."""
    alone = (example,), dict[str, Any]()
    if isinstance(example, Mapping):
        names = {str(key) for key in example}
        if signature.takes_names(names):
            yield (), dict(example)
        yield alone
        return
    is_list = isinstance(example, list) and all(
        isinstance(item, Mapping) or (isinstance(item, Tensor) and item.ndim == 3)
        for item in example
    )
    if is_list:
        yield alone
    if isinstance(example[-1], Mapping) and len(example) > 1:  # (image, {"mask": mask})
        names = {str(key) for key in example[-1]}
        before = {
            p.name for p in signature.parameters.values() if (p.position or 0) < len(example) - 1
        }
        if signature.takes_names(names | before):
            yield tuple(example[:-1]), dict(example[-1])
    yield tuple(example), {}
    if not is_list:
        yield alone


def _list_tensors(
    signature: Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[_Leaf]:
    """Yield the tensors among the arguments that may be images by their dtype."""
    named: list[tuple[int | None, str | None, Any]] = [
        (place, signature.find_name(place), value) for place, value in enumerate(args)
    ]
    for name, value in kwargs.items():
        parameter = signature.parameters.get(name)
        named.append((parameter.position if parameter else None, name, value))
    for position, argument, value in named:
        for path, leaf in list_leaves(value):
            if isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.dtype == torch.uint8):
                yield _Leaf(position, argument, path, leaf)


def _list_calls_of(
    model: nn.Module, leaves: list[_Leaf], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Call]:
    """Yield the calls in which some of these tensors are the images."""
    gray = _choose_images(leaves, 1)
    gray_named = [leaf for leaf in gray if is_image_name(leaf.label)]
    color = _choose_images(leaves, CHANNELS)
    doubtful = [leaf for leaf in color if is_doubtful_name(leaf.label)]
    if doubtful and gray_named:
        color = [leaf for leaf in color if leaf not in doubtful]
    elif doubtful and len(doubtful) < len(color):
        raise make_doubt_error([leaf.label for leaf in doubtful])
    if color:
        yield from _list_axis_choices(model, color, CHANNELS, args, kwargs)
    if gray_named or len(gray) == 1:
        yield from _list_axis_choices(model, gray_named or gray, 1, args, kwargs)
    elif gray:
        yield from _list_rivals(model, gray, args, kwargs)


def _list_rivals(
    model: nn.Module, gray: list[_Leaf], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Call]:
    """Yield a call for each choice among gray tensors whose names don't say what they are."""
    groups = _group_by_path(gray)
    if len(groups) > _MOST:
        raise make_doubt_error([group[0].label for group in groups])
    choices = [
        [leaf for group in chosen for leaf in group]
        for count in range(1, len(groups) + 1)
        for chosen in combinations(groups, count)
    ]
    calls = [c for leaves in choices for c in _list_axis_choices(model, leaves, 1, args, kwargs)]
    for call in calls:
        yield call._replace(rivals=tuple(other for other in calls if other is not call))


def _group_by_path(leaves: list[_Leaf]) -> list[list[_Leaf]]:
    """Return leaves in groups that differ by an index in a list only."""
    groups: dict[Any, list[_Leaf]] = {}
    for leaf in leaves:
        keys = tuple(EACH if isinstance(key, int) else key for key in leaf.path)
        groups.setdefault((leaf.position, leaf.name, keys), []).append(leaf)
    return list(groups.values())


def _choose_images(leaves: list[_Leaf], channels: int) -> list[_Leaf]:
    """Return the tensors that may be images of so many channels, by their shape and name."""
    found = [
        leaf
        for leaf in leaves
        if list_axes(tuple(leaf.tensor.shape), channels) and not is_other_name(leaf.label)
    ]
    # (3, H, W) may be an image in a list, but beside a batch it is something else
    if any(leaf.tensor.ndim > 3 for leaf in found):
        found = [leaf for leaf in found if leaf.tensor.ndim > 3 or is_image_name(leaf.label)]
    return found


def list_axes(shape: tuple[int, ...], channels: int) -> list[int]:
    """Return the axes, counted from the end, that may hold so many channels.

    >>> list_axes((2, 3, 64, 64), 3), list_axes((2, 16, 3, 64, 64), 3), list_axes((3, 64, 64), 3)
    ([-3], [-3], [-3])
    >>> list_axes((2, 3, 16, 64, 64), 3), list_axes((2, 3, 3, 64, 64), 3)
    ([-4], [-3, -4])
    >>> list_axes((2, 64, 64, 3), 3), list_axes((2, 3), 3)
    ([-1], [])
    """
    if len(shape) < 3:
        return []
    first = [
        axis for axis in (-3, -4) if len(shape) + axis >= (axis == -4) and shape[axis] == channels
    ]
    return first or [-1] * (shape[-1] == channels)


def order_axes(model: nn.Module, axes: Sequence[int]) -> list[int]:
    """Return axes of the channels of clips, the network's own one first if it is known.

    Networks of Hugging Face take (N, T, C, H, W). Others whose first convolution is one of volumes
    take (N, C, T, H, W).
    """
    prefers_frames = hasattr(model, "config") or not sees_volumes(model)
    return sorted(axes, reverse=prefers_frames)


def sees_volumes(model: nn.Module) -> bool:
    """Whether the convolutions of three channels in a network are those of volumes."""
    modules = list(model.modules())
    kinds = {type(m) for m in modules if getattr(m, "in_channels", None) == CHANNELS}
    is_3d = any(issubclass(kind, nn.Conv3d) for kind in kinds)
    return is_3d and not any(issubclass(kind, nn.Conv2d) for kind in kinds)


def _list_axis_choices(
    model: nn.Module,
    leaves: list[_Leaf],
    channels: int,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Iterator[Call]:
    """Yield the call with these images; several if a clip has as many frames as channels."""
    choices = [list_axes(tuple(leaf.tensor.shape), channels) for leaf in leaves]
    preferred = order_axes(model, {axis for axes in choices for axis in axes})  # type: ignore[arg-type]
    for axis in preferred if any(len(axes) > 1 for axes in choices) else preferred[:1]:
        chosen = [axis if axis in axes else axes[0] for axes in choices]
        yield _make_call(leaves, chosen, args, kwargs)


def _make_call(
    leaves: list[_Leaf], axes: list[int], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Call:
    """Return the call with images in place of these tensors."""
    groups: dict[Any, tuple[ImageArgument, tuple[int, ...]]] = {}
    template, named = list(args), dict(kwargs)
    places = [(leaf.position, leaf.name, leaf.path) for leaf in leaves]
    for leaf, axis in zip(leaves, axes, strict=True):
        by_place = leaf.name not in kwargs
        argument = args[leaf.position] if by_place else kwargs[leaf.name]  # type: ignore[index]
        paths = {path for *argument_of, path in places if argument_of == [leaf.position, leaf.name]}
        path, counts = _generalize(argument, leaf.path, paths)
        shape = list(leaf.tensor.shape)
        del shape[axis]
        image = ImageArgument(leaf.position, leaf.name, path, axis)
        groups.setdefault((leaf.position, leaf.name, path), (image, (*counts, *shape)))
        if by_place:
            assert leaf.position is not None
            template[leaf.position] = set_at_path(template[leaf.position], leaf.path, None)
        else:
            named[leaf.name] = set_at_path(named[leaf.name], leaf.path, None)  # type: ignore[index]
    images, shapes = zip(*groups.values(), strict=True)
    return Call(images, shapes, tuple(template), named)


def _generalize(
    argument: Any, path: tuple[Key, ...], paths: set[tuple[Key, ...]]
) -> tuple[tuple[Key, ...], list[int]]:
    """Return a path with EACH for a list whose every item is an image, and these lists' lengths."""
    general: list[Key] = list(path)
    counts = []
    value = argument
    for place, key in enumerate(path):
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            every = {(*path[:place], k, *path[place + 1 :]) for k in range(len(value))}
            # items of one list may be lists of other lengths, so only the first of them counts
            if every <= paths or _each_has_images(value, path[place + 1 :]):
                general[place] = EACH
                counts.append(len(value))
        value = value[key]
    return tuple(general), counts


def _each_has_images(items: Sequence[Any], rest: tuple[Key, ...]) -> bool:
    """Whether each item of a list is itself a list of images, or a dict with an image."""
    if not rest or isinstance(rest[0], str):
        return False
    return all(isinstance(item, list | tuple) and item for item in items) and all(
        isinstance(leaf, Tensor) and leaf.ndim >= 3
        for item in items
        for _, leaf in list_leaves(item)
    )


def make_example_error(example: Any) -> ModelError:
    """Return the error for an ``example=`` that can't be used."""
    given = f"a tensor of shape {tuple(example.shape)}" if isinstance(example, Tensor) else None
    return ModelError(
        "example is the size of an image, (H, W) or (T, H, W), a batch of shape (N, 1, H, W) or "
        "(N, 3, H, W), or the network's arguments with such a batch: a tuple, or a dict by name; "
        f"not {given or describe_example(example)}"
    )


def describe_example(example: Any) -> str:
    """Return an example in words, with shapes instead of values."""
    if isinstance(example, Tensor):
        return f"tensor{tuple(example.shape)}"
    if isinstance(example, Mapping):
        items = ", ".join(f"{key!r}: {describe_example(example[key])}" for key in example)
        return f"{{{items}}}"
    if isinstance(example, list | tuple):
        items = ", ".join(map(describe_example, example))
        return f"[{items}]" if isinstance(example, list) else f"({items})"
    text = repr(example)
    return text if len(text) < 80 else type(example).__name__


def make_doubt_error(names: list[str]) -> ModelError:
    """Return the error for an example in which a tensor may be an image or not."""
    shown = quote_names(name for name in names if name) or "of the tensors"
    return ModelError(
        f"it can't be told whether {shown} in example is an image: give the images in gray, of "
        "shape (N, 1, H, W), and all else as the network takes it, example={'image': gray, ...}"
    )
