"""``to_rgb``: kind, layout, backend, call."""

import math
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, TypeVar, cast

import numpy as np

from .. import kinds
from ..backends import registry
from ..backends.choose import apply_auto_rule
from ..backends.protocol import Backend
from ..core import alpha as alphas
from ..core.layout import Layout, gray_moves, insert, order, parse, resolve, without_channel
from ..errors import DtypeError, GrayToRGBError, LayoutError
from ..kinds.numpy import NUMBERS
from ..kinds.protocols import ArrayKind, Blocks, OwnLibrary

Image = TypeVar("Image")
Array = np.ndarray[Any, Any]
_ERROR: Literal["error"] = "error"


def to_rgb(
    image: Image,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = _ERROR,
) -> Image:
    """Give a gray image, or a batch of them, three equal channels.

    Values and dtype never change, and every backend gives the same bits. What is RGB already
    passes through.

    Parameters
    ----------
    image : ndarray, torch.Tensor, tv_tensors.Image or Video, PIL.Image.Image, or another array
        Gray, RGB, or either with alpha; any number dtype or bool, any strides. Arrays of
        TensorFlow, JAX, dask and of the array API standard are converted by their own library,
        in graphs, traces and plans too. Whatever else has ``__array__`` is read as numpy.
    layout : str, optional
        The axes, upper-case letters in einops' arrow notation: ``"NHW->NHWC"``,
        ``"NHW->NCHW"``, ``"HWC"``. H and W once, C at most once, other letters are leading
        axes. Without an arrow the result keeps the input's axes, and a missing C goes last,
        or in front of H for torch. With None, 2-D is HW; 3-D and 4-D are read as an image or
        a batch with a channel axis where only one axis can be that; all else is an error.
    backend : str
        One of :func:`graytorgb.list_backends`, or ``"auto"``, for which
        :func:`graytorgb.choose_backend` tells the choice.
    copy : bool, optional
        None: what the backend does. True: the result shares no memory with the input. False:
        a view that shares it (read-only in numpy), or an error.
    out : ndarray or torch.Tensor, optional
        Memory for the result, of its shape and dtype, C-contiguous, writable and apart from
        the input; it is returned. Other kinds have none that can be written to.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel: an error, dropped, or composited on a background in
        the image's units.

    Returns
    -------
    of the kind of `image`
        The same values with C == 3, in the axes of the layout. C-contiguous, writable and
        fresh, unless a view was asked for.

    Raises
    ------
    LayoutError
        If the axes can't be told, or `copy` or `out` can't be met.
    ChannelError
        If there are 2 or 4 channels and `alpha` is ``"error"``, or another number than 1 or 3.
    DtypeError
        If it isn't an image, its dtype isn't a number or the backend can't carry it, `backend`
        or `out` can't be had for its kind, or it is a deep PIL image (modes I;16, I, F): see
        :func:`graytorgb.to_uint8`.
    UnknownBackend, BackendUnavailable
        If there is no such backend, or its library is missing or broken.

    Examples
    --------
    >>> import numpy as np, graytorgb as g2r
    >>> x = np.arange(64 * 28 * 28, dtype=np.uint16).reshape(64, 28, 28)
    >>> g2r.to_rgb(x, "NHW->NCHW").shape
    (64, 3, 28, 28)
    >>> view = g2r.to_rgb(x, "NHW", backend="broadcast")
    >>> view.shape, view.strides[-1], np.shares_memory(view, x)
    ((64, 28, 28, 3), 0, True)
    """
    if copy is out is None and alpha is _ERROR and type(image) is np.ndarray:
        steps = _find_steps(image, layout, backend)
        if steps is not None:
            return cast(Image, steps.follow(image))  # type: ignore[arg-type]
    try:
        options = Options(backend, copy, alpha).checked()
        if copy is False and out is not None:
            raise LayoutError("copy=False asks for a view, which can't lie in out: leave one away")
        if kinds.is_pil(image):
            return cast(Image, _convert_pil(image, layout, out, options))
        return cast(Image, _convert_array(image, layout, out, options))
    except GrayToRGBError as error:
        error.args += (f"given: {kinds.describe(image)}; layout={layout!r}, backend={backend!r}",)
        raise


class Steps(NamedTuple):
    """What is done to a gray array, once everything is checked."""

    moves: tuple[int, ...] | None
    axis: int
    backend: Backend

    def follow(self, gray: Array) -> Array:
        """Three equal channels, in memory of their own."""
        expand = self.backend.expand
        return expand(gray if self.moves is None else gray.transpose(self.moves), self.axis)


def _find_steps(image: Any, layout: str | None, backend: str) -> Steps | None:
    """The steps for a plain gray array; None where there is more to it.

    A loop over batches asks for the same again and again, and for one small image the checks
    take as long as the work. What is no string or dtype of numbers is kept nowhere: it meets
    its own error, and may be large, or have no hash.
    """
    if type(backend) is str and (layout is None or type(layout) is str):
        dtype = image.dtype
        if dtype.kind in NUMBERS:
            return _steps(image.shape, dtype, layout, backend, registry.version)
    return None


@lru_cache(1024)
def _steps(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: str | None,
    backend: str,
    version: int,
) -> Steps | None:
    try:
        axes = resolve(layout, shape)
        if "C" in axes.source or 0 in shape:
            return None
        axis = axes.target.index("C")
        if backend == "auto":
            choice = apply_auto_rule(math.prod(shape), dtype, axis == len(shape))
            backend = cast(str, choice.backend)
        entry = registry.lookup(backend)
        if entry.result == "view" or not entry.takes(dtype):
            return None
        return Steps(gray_moves(axes), axis, registry.load(backend))
    except GrayToRGBError:  # with the whole message, from the way that all others go
        return None


class Options(NamedTuple):
    """How to convert, whatever the image."""

    backend: str
    copy: bool | None
    alpha: alphas.Alpha

    def checked(self) -> "Options":
        """These options, or the error that any image would meet; nothing is imported for it."""
        alpha = alphas.check(self.alpha)
        if self.backend != "auto":
            registry.lookup(self.backend)
        if self.copy is not None and not isinstance(self.copy, bool):
            raise LayoutError(f"copy is None, True or False, not {self.copy!r}")
        if self.copy is False and self.backend != "auto" and not self.view:
            raise LayoutError(
                f"backend {self.backend!r} makes copies: copy=False goes with "
                'backend="broadcast", whose three channels are one memory'
            )
        return self if alpha is self.alpha else self._replace(alpha=alpha)

    def loaded(self) -> "Options":
        """These options with the backend ready, or BackendUnavailable."""
        if self.backend != "auto":
            registry.load(self.backend)
        return self

    @property
    def view(self) -> bool:
        """Whether the result is a view: as `copy` says, else as the backend's line does."""
        if self.backend == "auto":
            return self.copy is False
        return self.copy is not True and registry.lookup(self.backend).result == "view"


def _convert_array(image: Any, layout: str | None, out: Any, options: Options) -> Any:
    kind = kinds.find(image)
    array, axes = kinds.read(kind, image, layout)
    if kind.REACH != "memory":
        if options.backend not in ("auto", "broadcast"):
            raise kinds.refuse_backend(kind, options.backend)
        if kind.REACH == "blocks":
            return _plan(kind, array, axes, out, options)
    room = None if out is None else _lend_out(kind, array, axes, out)
    source = axes.source
    if "C" in source:
        options.loaded()  # though what isn't gray has no use for a backend
        channels = array.shape[source.index("C")]
        if channels in (2, 4) and not isinstance(options.alpha, str):
            result = _composite(kind, array, axes, room, options)
            return _finish(kind, result, image, out)
        array = _drop_alpha(array, source, options.alpha)
        if array.shape[source.index("C")] == 3:
            rgb = kind.transpose(array, order(source, axes.target))
            if room is not None:
                np.copyto(room, cast(Array, kind.lend(rgb)))
                return _finish(kind, rgb, image, out)
            return kind.wrap(kind.view(rgb) if options.view else kind.copy(rgb), image)
        array = array[(slice(None),) * source.index("C") + (0, ...)]
    if moves := gray_moves(axes):
        array = kind.transpose(array, moves)
    result = _expand(kind, array, axes.target.index("C"), options, room)
    return _finish(kind, result, image, out)


def _finish(kind: ArrayKind, result: Any, image: Any, out: Any) -> Any:
    """The result as an object of the image's type, or `out`, which holds it."""
    if out is None:
        return kind.wrap(result, image)
    kind.written(out)
    return out


def _plan(kind: ArrayKind, array: Any, axes: Layout, out: Any, options: Options) -> Any:
    """The same of each block, when it is computed."""
    if out is not None:
        raise kinds.refuse_out(kind)
    function = partial(to_rgb, layout=str(axes), **options._asdict())
    return cast(Blocks, kind).map_blocks(function, array, axes)


def _lend_out(kind: ArrayKind, array: Any, axes: Layout, out: Any) -> Array:
    """The memory of `out`, checked against the result that `array` will give."""
    lent = kind.lend(array)
    if lent is None:
        raise kinds.refuse_out(kind)
    return kinds.lend_out(kind, out, axes.result_shape(array.shape), array.dtype, lent)


def _drop_alpha(array: Any, source: str, alpha: alphas.Alpha) -> Any:
    """One channel or three; what has neither, and isn't told to drop its alpha, is refused."""
    axis = source.index("C")
    channels = array.shape[axis]
    if channels in (2, 4) and alpha == "drop":
        return array[(slice(None),) * axis + (slice(channels - 1), ...)]
    if channels not in (1, 3):
        raise alphas.refuse(channels)
    return array


def _composite(
    kind: ArrayKind, array: Any, axes: Layout, room: Array | None, options: Options
) -> Any:
    """Gray or RGB with alpha on a background, in the axes asked for."""
    if options.view:
        raise LayoutError(
            'compositing makes new values, and a view has none: copy=True, or alpha="drop"'
        )
    lent = kind.lend(array)
    if lent is None:
        own = cast(OwnLibrary, kind)
        raise DtypeError(
            f"compositing works on memory that numpy can share, and {own.UNREACHED}: "
            f'pass {own.TO_NUMPY}, or alpha="drop"'
        )
    if room is None:
        room = np.empty(axes.result_shape(lent.shape), lent.dtype)
    last = without_channel(axes.source) + "C"
    alphas.composite(
        lent.transpose(order(axes.source, last)),
        cast(alphas.Background, options.alpha),
        room.transpose(order(axes.target, last)),
    )
    return kind.adopt(room, array.dtype)


def _expand(kind: Any, gray: Any, axis: int, options: Options, room: Array | None) -> Any:
    backend = "broadcast" if options.view and options.backend == "auto" else options.backend
    view = options.view and room is None
    lent = kind.lend(gray)
    if (lent is None or view) and kind.expand is not None:
        if backend not in ("auto", "broadcast"):
            raise kinds.refuse_backend(kind, backend)
        return kind.expand(gray, axis, view=view)
    result = expand_array(cast(Array, lent), axis, backend, view=view, out=room)
    return kind.adopt(result, gray.dtype)


def expand_array(
    gray: Array, axis: int, backend: str, *, view: bool = False, out: Array | None = None
) -> Array:
    """Put three equal channels into a numpy array at `axis`; see :func:`to_rgb`."""
    if backend == "auto":
        backend = cast(str, apply_auto_rule(gray.size, gray.dtype, axis == gray.ndim).backend)
    entry = registry.lookup(backend)
    if not entry.takes(gray.dtype):
        able = ", ".join(registry.backends_for_dtype(gray.dtype))
        raise DtypeError(f"backend {backend!r} can't carry {gray.dtype}; these can: auto, {able}")
    if gray.size == 0 and not view:  # some libraries refuse empty images
        return np.empty(insert(gray.shape, axis), gray.dtype) if out is None else out
    result = registry.load(backend).expand(gray, axis, out)
    if out is None and entry.result == "view" and not view:
        out = np.empty(result.shape, result.dtype)
    if out is not None and result is not out:
        np.copyto(out, result)
        return out
    return result


def _convert_pil(image: Any, layout: str | None, out: Any, options: Options) -> Any:
    from ..kinds import pil

    if layout is not None and parse(layout) not in (("HW", "HWC"), ("HWC", "HWC")):
        raise LayoutError(
            f"a PIL image is HW or HWC and gives a PIL image: leave layout={layout!r} away, or "
            "to_rgb(np.asarray(image), layout) for an array"
        )
    if out is not None:
        raise DtypeError(
            "out= takes an array, and a PIL image gives a PIL image: "
            "to_rgb(np.asarray(image), out=...)"
        )
    options.loaded()
    flat = pil.flatten(image, options.alpha)
    if options.view:
        if flat is image and flat.mode == "RGB":
            return image
        raise LayoutError(
            "a PIL image can't share its memory between channels: leave copy=False and "
            'backend="broadcast" away, or to_rgb(np.asarray(image), backend="broadcast")'
        )
    if flat.mode == "RGB":
        return flat.copy() if flat is image else flat
    if options.backend == "auto":
        return flat.convert("RGB")  # Pillow's own, without the way through numpy and back
    return pil.from_array(expand_array(np.asarray(flat), 2, options.backend), like=image)
