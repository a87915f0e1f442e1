"""``ImageArgument``: where the arguments of a torch network's call hold images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import ChannelError
from .image_names import is_image_name, is_other_name

EACH = "[]"  # a key of a path: every item of a list or a tuple
Key = str | int
Function = Callable[[Tensor, int], Tensor]
Arguments = tuple[tuple[Any, ...], dict[str, Any]]


class ImageArgument(NamedTuple):
    """A place in a network's arguments that holds an image, a batch, or a list of them.

    Attributes
    ----------
    position : int or None
        The argument's place among the positional ones; None if it is passed by name only.
    name : str or None
        The name of the argument; None if it has none.
    path : tuple of str and int
        The keys that lead to the image inside the argument: keys of dicts, indices of lists, and
        :data:`EACH` for every item of a list.
    axis : int
        The axis of the channels, counted from the end: -3 for ``(N, C, H, W)``, ``(C, H, W)`` and
        ``(N, T, C, H, W)``, -4 for ``(N, C, T, H, W)``, -1 for ``(N, H, W, C)``.
    """

    position: int | None = 0
    name: str | None = None
    path: tuple[Key, ...] = ()
    axis: int = -3

    @property
    def label(self) -> str:
        """Return the innermost name on the way to the image, or ``""`` if there is none."""
        names = [key for key in self.path if isinstance(key, str) and key != EACH]
        return names[-1] if names else self.name or ""

    def describe(self) -> str:
        """Return the image's name and path as text, such as ``"batch.image"``."""
        start = self.name if self.name is not None else str(self.position)
        return ".".join(str(key) for key in (start, *self.path) if key != EACH)


FIRST = ImageArgument()


def apply_to_images(
    function: Function,
    images: Sequence[ImageArgument],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Arguments:
    """Return a call's arguments with `function` applied to each image.

    Parameters
    ----------
    function : callable
        ``function(tensor, axis)`` returns the new tensor for a gray one.
    images : sequence of ImageArgument
    args, kwargs
        The arguments. They aren't changed, and neither are containers in them.

    Raises
    ------
    ChannelError
        If no image is among the arguments, an image has several channels, or it can't be told
        which tensors in a container are images.
    """
    found: list[int] = []

    def change(tensor: Tensor, axis: int) -> Tensor:
        found.append(axis)
        return function(tensor, axis)

    for image in images:
        if image.position is not None and image.position < len(args):
            changed = _apply(change, args[image.position], image.path, image)
            args = (*args[: image.position], changed, *args[image.position + 1 :])
        else:
            name = image.name if image.name in kwargs else _find_only_name(image, images, kwargs)
            if name is None:
                continue
            kwargs = {**kwargs, name: _apply(change, kwargs[name], image.path, image)}
    if not found and not _is_without_image(args, kwargs):
        names = ", ".join(repr(image.name) for image in images if image.name)
        where = f" in {names}" if names else ""
        raise ChannelError(
            f"this network takes a batch of gray images, {describe_gray(images[0].axis)}, and got "
            f"no image{where}"
        )
    return args, kwargs


def _is_without_image(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether arguments have tensors and no images, such as a text for a network of both."""
    leaves = [leaf for _, leaf in list_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
    return bool(leaves) and all(leaf.ndim < 4 for leaf in leaves) and len(args) + len(kwargs) > 0


def find_images(images: Sequence[ImageArgument], args: tuple[Any, ...], kwargs: Any) -> list[Any]:
    """Return the tensors of a call that :func:`apply_to_images` changes."""
    found: list[Tensor] = []

    def keep(tensor: Tensor, axis: int) -> Tensor:
        found.append(tensor)
        return tensor

    apply_to_images(keep, images, args, kwargs)
    return found


def apply_at_path(function: Function, value: Any, image: ImageArgument) -> Any:
    """Return an argument with a function applied to the images at the path of `image` inside it."""
    return _apply(function, value, image.path, image)


def _find_only_name(
    image: ImageArgument, images: Sequence[ImageArgument], kwargs: dict[str, Any]
) -> str | None:
    """Return the keyword of the only image, for a network whose signature names no argument."""
    if image.name is not None or len(images) > 1:
        return None
    candidates = {name: value for name, value in kwargs.items() if _may_be_image(name, value)}
    named = [name for name in candidates if is_image_name(name)] or list(candidates)
    if len(named) > 1:
        raise _make_ambiguity_error(named)
    return named[0] if named else None


def _apply(function: Function, value: Any, path: tuple[Key, ...], image: ImageArgument) -> Any:
    """Return a value with the function applied to the images at a path inside it."""
    if isinstance(value, Tensor):
        return function(value, image.axis)
    if path and path[0] == EACH:
        if isinstance(value, list | tuple):
            return _rebuild(value, [_apply(function, item, path[1:], image) for item in value])
        path = ()
    if path and isinstance(value, Mapping):
        if path[0] in value:
            return _replace(value, {path[0]: _apply(function, value[path[0]], path[1:], image)})
        return value
    if path and isinstance(value, list | tuple) and isinstance(path[0], int):
        index = path[0]
        changed = _apply(function, value[index], path[1:], image) if index < len(value) else None
        return _rebuild(value, [changed if k == index else v for k, v in enumerate(value)])
    if isinstance(value, Mapping):
        keys = _choose_keys(dict(value))
        return _replace(value, {key: _apply(function, value[key], (), image) for key in keys})
    if isinstance(value, list | tuple) and value:
        return _apply_to_list(function, value, path, image)
    return value


def _apply_to_list(
    function: Function, value: Any, path: tuple[Key, ...], image: ImageArgument
) -> Any:
    """Return a list of images, of dicts with images, or a batch whose first item is the images."""
    is_list = all(isinstance(item, Mapping | list) for item in value) or all(
        isinstance(item, Tensor) and item.ndim == -image.axis for item in value
    )
    if is_list:
        return _rebuild(value, [_apply(function, item, path, image) for item in value])
    places = [k for k, item in enumerate(value) if _may_be_image("", item)]
    most = max((item.ndim for item in value if isinstance(item, Tensor)), default=0)
    if all(isinstance(value[k], Tensor) for k in places):  # a mask may be (N, H, W)
        places = [k for k in places if value[k].ndim == most]
    if len(places) > 1:
        raise _make_ambiguity_error(places)
    return _rebuild(
        value,
        [_apply(function, v, (), image) if k in places else v for k, v in enumerate(value)],
    )


def _choose_keys(value: dict[Any, Any]) -> list[Any]:
    """Return the keys of the images in a dict whose structure isn't known from an example."""
    candidates = [key for key, item in value.items() if _may_be_image(str(key), item)]
    named = [key for key in candidates if is_image_name(str(key))]
    if any(_count_axes(value[key]) > 3 for key in candidates):  # (N, L, D) is no image beside it
        candidates = [key for key in candidates if _count_axes(value[key]) > 3]
    if not named and len(candidates) > 1:
        raise _make_ambiguity_error(candidates)
    return named or candidates


def _count_axes(value: Any) -> int:
    """Return the number of axes of a tensor, or of the first one in a list."""
    return value.ndim if isinstance(value, Tensor) else _count_axes(value[0])


def _may_be_image(name: str, value: Any) -> bool:
    """Whether a value may be an image or a list of images, by its name and its dimensions."""
    if isinstance(value, list | tuple):
        return bool(value) and all(_may_be_image(name, item) for item in value)
    if not isinstance(value, Tensor) or value.ndim < 3 or is_other_name(name):
        return False
    return value.is_floating_point() or value.dtype == torch.uint8


def _make_ambiguity_error(keys: Sequence[Any]) -> ChannelError:
    """Return the error for arguments that may be images or something else."""
    listed = ", ".join(map(repr, keys))
    return ChannelError(
        f"it can't be told which of {listed} are images: adapt the network again with an example "
        "of its arguments, adapt(model, stats, how=..., example={name: tensor})"
    )


def describe_gray(axis: int) -> str:
    """Return the shape of a gray batch with this channel axis, in letters."""
    return {-1: "(N, H, W, 1)", -4: "(N, 1, T, H, W)"}.get(axis, "(N, 1, H, W)")


def _rebuild(container: Any, items: list[Any]) -> Any:
    """Return a list or a tuple of the container's class with these items."""
    if hasattr(container, "_fields"):  # a named tuple
        return type(container)(*items)
    return type(container)(items)


def _replace(mapping: Any, changed: dict[Any, Any]) -> Any:
    """Return a copy of a mapping with other values, which keeps its class and its attributes."""
    if type(mapping) is dict:
        return {**mapping, **changed}
    other = copy(mapping)
    for key, value in changed.items():
        other[key] = value
    return other


def list_leaves(value: Any, path: tuple[Key, ...] = ()) -> Iterator[tuple[tuple[Key, ...], Any]]:
    """Yield what isn't a container inside nested dicts, lists and tuples, with its path."""
    if isinstance(value, Mapping):
        for key in value:
            yield from list_leaves(value[key], (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from list_leaves(item, (*path, index))
    else:
        yield path, value


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """Return nested dicts, lists and tuples with `function` applied to everything inside."""
    if isinstance(value, Mapping):
        return _replace(value, {key: map_leaves(function, value[key]) for key in value})
    if isinstance(value, list | tuple):
        return _rebuild(value, [map_leaves(function, item) for item in value])
    return function(value)


def set_at_path(value: Any, path: tuple[Key, ...], images: Any) -> Any:
    """Return an argument with images at a path inside it.

    Parameters
    ----------
    value : object
        The argument, with anything in place of the images.
    path : tuple of str and int
        With :data:`EACH`, `images` is a batch whose images become the items of a list. The list
        has as many items as there are images, and repeats those of `value`.
    images : Tensor
    """
    if not path:
        return images
    key, rest = path[0], path[1:]
    if key == EACH:
        parts, items = images.unbind(), list(value) if value else [None]
        filled = [set_at_path(items[k % len(items)], rest, parts[k]) for k in range(len(parts))]
        return tuple(filled) if isinstance(value, tuple) else filled
    if isinstance(value, Mapping):
        return _replace(value, {key: set_at_path(value[key], rest, images)})
    return _rebuild(
        value, [set_at_path(v, rest, images) if k == key else v for k, v in enumerate(value)]
    )
