"""``Call``: a way to call a torch network with images, and with all else that it needs."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from ..weights import Normalization
from .image_arguments import EACH, FIRST, ImageArgument, map_leaves, set_at_path
from .modules import repeat_and_normalize

CALL = "graytorgb_call"  # the attribute of an adapted network that holds its call


class Call(NamedTuple):
    """A way to call a network with images.

    Attributes
    ----------
    images : tuple of ImageArgument
        The places of the images among the arguments.
    shapes : tuple of tuple of int
        For each of them, the shape of its batch without the channel axis: ``(N, H, W)``,
        ``(N, T, H, W)``, or ``(H, W)`` for a network that takes one image. Where a network takes a
        list, N is the list's length.
    args : tuple
    kwargs : dict
        The network's arguments, with None in place of each image.
    rivals : tuple of Call
        Other ways to understand the same example, of which the network may take one only.
    """

    images: tuple[ImageArgument, ...]
    shapes: tuple[tuple[int, ...], ...]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    rivals: tuple["Call", ...] = ()

    @classmethod
    def of_batch(cls, shape: tuple[int, ...], *, as_list: bool = False) -> "Call":
        """Return the call with one positional argument: a batch, or a list of images.

        Parameters
        ----------
        shape : tuple of int
            ``(N, H, W)`` or ``(N, T, H, W)``. The channel axis is the second one, or the first one
            of each image in a list.
        as_list : bool
        """
        image = FIRST._replace(axis=-len(shape), path=(EACH,) if as_list else ())
        return cls((image,), (shape,), ([None] * shape[0],) if as_list else (None,), {})

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of the first image's batch, without its channel axis."""
        return self.shapes[0]

    @property
    def sides(self) -> tuple[int, ...]:
        """Return the sides of the first image: ``(H, W)``, or ``(T, H, W)`` in a clip."""
        is_clip = self.images[0].axis == -4 or len(self.shape) > 3 + (EACH in self.images[0].path)
        return self.shape[-3 if is_clip else -2 :]

    @property
    def batch_size(self) -> int | None:
        """Return the number of images in a batch; None if the network takes one image alone."""
        return self.shape[0] if len(self.shape) > len(self.sides) else None

    def find_gray_shapes(self) -> list[tuple[int, ...]]:
        """Return the shape of each gray batch, with its channel axis."""
        shapes = []
        for image, shape in zip(self.images, self.shapes, strict=True):
            place = len(shape) + 1 + image.axis
            shapes.append((*shape[:place], 1, *shape[place:]))
        return shapes

    def make_gray(
        self, like: Tensor, preprocessing: Preprocessing, *, is_dark: bool = False
    ) -> tuple[Tensor, ...]:
        """Return gray noise for each image, the same for each call.

        Parameters
        ----------
        like : Tensor
            A tensor of the network's device and dtype.
        preprocessing : Preprocessing
            The record of the adapted network, which states the range of its gray.
        is_dark : bool
            Whether the noise is another one, half as bright.
        """
        black, grays = preprocessing.limits[0], []
        for place, shape in enumerate(self.find_gray_shapes()):
            noise = preprocessing.rescaling.make_noise(shape, seed=2 * place + is_dark)
            noise = black + (noise - black) / 2 if is_dark else noise
            grays.append(torch.from_numpy(noise).to(like.device, like.dtype))
        return tuple(grays)

    def make_color(
        self, grays: Sequence[Tensor], normalization: Normalization
    ) -> tuple[Tensor, ...]:
        """Return the original's input for each gray batch: the gray three times, normalized."""
        # a copy and no view, because a network may write into its input
        return tuple(
            repeat_and_normalize(gray, normalization, image.axis).contiguous()
            for image, gray in zip(self.images, grays, strict=True)
        )

    def make_arguments(
        self, images: Tensor | Sequence[Tensor]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the network's arguments with these images.

        Parameters
        ----------
        images : Tensor or sequence of Tensor
            A batch for each of :attr:`images`, or the only one.
        """
        batches = (images,) if isinstance(images, Tensor) else images
        args, kwargs = list(self.args), dict(self.kwargs)
        for image, batch in zip(self.images, batches, strict=True):
            if image.position is not None and image.position < len(args):
                args[image.position] = set_at_path(args[image.position], image.path, batch)
            else:
                assert image.name is not None
                kwargs[image.name] = set_at_path(kwargs.get(image.name), image.path, batch)
        return tuple(args), kwargs

    def run(self, model: nn.Module, images: Tensor | Sequence[Tensor]) -> Any:
        """Return the network's output for a batch, or for one batch per image argument."""
        args, kwargs = self.make_arguments(images)
        return model(*args, **kwargs)

    def with_size(self, sides: tuple[int, ...], batch_size: int | None = None) -> "Call":
        """Return the same call for images of another size.

        Images whose size isn't the first one's keep their size. Other tensors that have the first
        image's sides are resized too, such as masks. Those with its number of images are repeated.

        Parameters
        ----------
        sides : tuple of int
            As many sides as :attr:`sides` has.
        batch_size : int, optional
            The number of images; as before, if it is None or the network takes one image alone.
        """
        before, number = self.sides, self.batch_size
        wanted = number if batch_size is None else batch_size
        shapes = [_change_shape(shape, before, sides, number, wanted) for shape in self.shapes]

        def fit(value: Any) -> Any:
            return _fit_tensor(value, before, sides, number, wanted)

        return self.convert(fit)._replace(shapes=tuple(shapes))

    def move_to(self, like: Tensor) -> "Call":
        """Return the call with its tensors on the device, and its float tensors in the dtype."""

        def move(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            return value.to(like.device, like.dtype if value.is_floating_point() else None)

        return self.convert(move)

    def convert(self, function: Callable[[Any], Any]) -> "Call":
        """Return the call with a function applied to everything but the images."""
        args = tuple(map_leaves(function, arg) for arg in self.args)
        kwargs = {name: map_leaves(function, arg) for name, arg in self.kwargs.items()}
        return self._replace(args=args, kwargs=kwargs)

    def describe_images(self, channels: int = CHANNELS) -> str:
        """Return the shapes of the images in words, for a message."""
        found = []
        for image, shape in zip(self.images, self.shapes, strict=True):
            place = len(shape) + 1 + image.axis
            found.append(str((*shape[:place], channels, *shape[place:])))
        return " and ".join(dict.fromkeys(found))


def _change_shape(
    shape: tuple[int, ...],
    before: tuple[int, ...],
    sides: tuple[int, ...],
    number: int | None,
    wanted: int | None,
) -> tuple[int, ...]:
    """Return an image's shape with other sides and another number of images, if it had those."""
    count = len(before)
    if shape[-count:] == before:
        shape = (*shape[:-count], *sides)
    if len(shape) > count and shape[0] == number and wanted is not None:
        shape = (wanted, *shape[1:])
    return shape


def _fit_tensor(
    value: Any,
    before: tuple[int, ...],
    sides: tuple[int, ...],
    number: int | None,
    wanted: int | None,
) -> Any:
    """Return an argument beside the images for another size, and another number of images."""
    if not isinstance(value, Tensor):
        return value
    if value.ndim >= 2 and tuple(value.shape[-2:]) == before[-2:] != sides[-2:]:
        rows, columns = (
            torch.arange(new, device=value.device) * old // new
            for old, new in zip(before[-2:], sides[-2:], strict=True)
        )
        value = value[..., rows, :][..., columns]
    if number != wanted and number and wanted and value.ndim and value.shape[0] == number:
        value = value[torch.arange(wanted, device=value.device) % number]
    return value
