"""``to_rgb``: three equal channels for a gray image, or for a batch of them.

An image goes through four steps: its kind (what the caller holds), its layout (which axis is
which), a plan (what becomes of its channels, and which backend does it), and the run of the plan.
Plain numpy arrays take the same steps, and their plans are cached.
"""

import math
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, TypeVar, cast, overload

import numpy as np

from .. import kinds
from ..backends import registry
from ..backends.choose import pick
from ..backends.protocol import Backend
from ..core import alpha as alphas
from ..core.image_file import ImageFile
from ..core.layout import Layout, find_gray_order, find_order, parse, remove_channel, resolve
from ..errors import DtypeError, GrayToRGBError, LayoutError
from ..kinds import BlockKind, LibraryKind, SharedKind
from ..kinds.numpy import NUMBERS

Image = TypeVar("Image")
Array = np.ndarray[Any, Any]
_ERROR: Literal["error"] = "error"


@overload
def to_rgb(
    image: ImageFile,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = _ERROR,
) -> Array: ...
@overload
def to_rgb(
    image: Image,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = _ERROR,
) -> Image: ...
def to_rgb(
    image: Any,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = _ERROR,
) -> Any:
    """Give a gray image, or a batch of them, three equal channels.

    Values and dtype never change, and every backend gives the same bits. What is RGB already
    passes through.

    Parameters
    ----------
    image : ndarray, torch.Tensor, tv_tensors.Image or Video, PIL.Image.Image, or another array
        Gray, RGB, or either with alpha; of any number dtype or bool and of any strides. Arrays
        of TensorFlow, JAX, dask and of the array API standard are converted by their own library,
        in graphs, traces and plans too. Any other object with ``__array__`` is read as numpy. Or
        a file that :func:`graytorgb.io.read` gave, which brings its layout.
    layout : str, optional
        The axes, upper-case letters in einops' arrow notation: ``"NHW->NHWC"``,
        ``"NHW->NCHW"``, ``"HWC"``. H and W once, C at most once, other letters are leading
        axes. Without an arrow the result keeps the input's axes, and a missing C goes last,
        or in front of H for torch. With None, 2-D is HW; 3-D and 4-D are read as an image or
        a batch with a channel axis where only one axis can be that, and any other shape is an
        error.
    backend : str
        One of :func:`graytorgb.list_backends`, or ``"auto"``, for which
        :func:`graytorgb.choose_backend` tells the choice.
    copy : bool, optional
        True: the result shares no memory with the input. False: the result is a view that shares
        it (read-only in numpy), or an error is raised. By default the backend decides.
    out : ndarray or torch.Tensor, optional
        Memory for the result, of its shape and dtype, C-contiguous, writable and apart from
        the input; it is returned. Arrays of other kinds can't be written to.
    alpha : {"error", "drop"} or (r, g, b)
        What becomes of an alpha channel: it is an error, it is dropped, or it is composited on a
        background in the image's units.

    Returns
    -------
    of the kind of `image`
        The same values with C == 3, in the axes of the layout; an ndarray for a file.
        C-contiguous, writable and fresh, unless a view was asked for.

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
    given = image
    try:
        uses_defaults = copy is None and out is None and alpha is _ERROR
        if uses_defaults and type(image) is np.ndarray:
            plan = _find_plan(image, layout, backend)
            if plan is not None:
                return run_plan(plan, image)
        options = Options(backend, copy, alpha).check()
        if copy is False and out is not None:
            raise LayoutError("copy=False asks for a view, which can't lie in out: leave one away")
        if isinstance(image, ImageFile):
            image, layout = image.array, image.find_layout(layout)
        if kinds.is_pil(image):
            return _convert_pil(image, layout, out, options)
        return _convert_array(image, layout, out, options)
    except GrayToRGBError as error:
        told = kinds.describe_image(given)
        error.args += (f"given: {told}; layout={layout!r}, backend={backend!r}",)
        raise


class Options(NamedTuple):
    """How to convert, whatever the image."""

    backend: str
    copy: bool | None
    alpha: alphas.Alpha

    def check(self) -> "Options":
        """Return the options, or raise the error that they cause for any image.

        No backend is imported for that.
        """
        alpha = alphas.check(self.alpha)
        if self.backend != "auto":
            registry.lookup(self.backend)
        if self.copy is not None and not isinstance(self.copy, bool):
            raise LayoutError(f"copy is None, True or False, not {self.copy!r}")
        if self.copy is False and self.backend != "auto" and not self.is_view:
            raise LayoutError(
                f"backend {self.backend!r} makes copies: copy=False goes with "
                'backend="broadcast", whose three channels are one memory'
            )
        return self if alpha is self.alpha else self._replace(alpha=alpha)

    def load_backend(self) -> "Options":
        """Import the backend that is named, if one is, and return the options."""
        if self.backend != "auto":
            registry.load(self.backend)
        return self

    @property
    def is_view(self) -> bool:
        """Whether the result is a view: `copy` says so, or otherwise the backend's line does."""
        if self.backend == "auto":
            return self.copy is False
        return self.copy is not True and registry.lookup(self.backend).result == "view"


class Plan(NamedTuple):
    """What is done to an array, once everything about it has been checked.

    Attributes
    ----------
    part : tuple or None
        The index that takes the gray channel, or the colors without their alpha.
    order : tuple of int or None
        The transposition to the axes of the result.
    axis : int or None
        Where the three equal channels go; None for what is RGB already.
    backend : module or None
        The backend that puts them there; None where the array's own library does.
    view : bool
        Whether the result shares the memory of the input.
    is_copied : bool
        Whether a view that the backend makes is copied.
    background : tuple of 3 floats or None
        What the alpha channel is composited on, instead of the steps above.
    axes : Layout
        The axes of the input and of the result.
    """

    part: tuple[Any, ...] | None
    order: tuple[int, ...] | None
    axis: int | None
    backend: Backend | None
    view: bool
    is_copied: bool
    background: alphas.Background | None
    axes: Layout


def plan_conversion(
    axes: Layout,
    channels: int,
    options: Options,
    shape: tuple[int, ...] = (),
    dtype: np.dtype[Any] | None = None,
) -> Plan:
    """Decide what becomes of an array's channels, and which backend does it.

    Parameters
    ----------
    axes : Layout
        The axes of the input and of the result.
    channels : int
        How many channels the input has; 1 without a channel axis.
    options : Options
        Checked.
    shape, dtype : tuple of int, dtype
        Of a numpy array. None for an array that its own library converts.

    Raises
    ------
    ChannelError
        If there are 2 or 4 channels and `alpha` is ``"error"``, or another number than 1 or 3.
    DtypeError
        If the backend can't carry the dtype.
    BackendUnavailable
        If the backend is missing or broken, even if the image is RGB already and needs none.
    """
    options.load_backend()
    part = moves = axis = backend = background = None
    view, is_copied = options.is_view, False
    leading = (slice(None),) * (axes.channel_axis() or 0)
    if channels in (2, 4) and not isinstance(options.alpha, str):
        if view:
            raise LayoutError(
                'compositing makes new values, and a view has none: copy=True, or alpha="drop"'
            )
        background = options.alpha
    elif channels == 3 or (channels == 4 and options.alpha == "drop"):
        part = (*leading, slice(3), ...) if channels == 4 else None
        moves = find_order(*axes)
    elif channels == 1 or (channels == 2 and options.alpha == "drop"):
        part = None if axes.channel_axis() is None else (*leading, 0, ...)
        moves, axis = find_gray_order(axes), axes.rgb_axis()
        if dtype is not None:
            name = _choose_backend(axes, view, options.backend, shape, dtype)
            backend = registry.load(name)
            is_copied = not view and registry.lookup(name).result == "view"
    else:
        raise alphas.refuse(channels)
    return Plan(part, moves, axis, backend, view, is_copied, background, axes)


def _choose_backend(
    axes: Layout, view: bool, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> str:
    """Return the name of the backend that puts three channels into an array of this shape."""
    if name == "auto" and view:
        return "broadcast"
    if name == "auto":
        size = math.prod(shape) // (axes.channels(shape) or 1)
        name = cast(str, pick(size, dtype, axes.target.endswith("C")).backend)
    elif not registry.lookup(name).takes(dtype):
        able = ", ".join(registry.carriers(dtype))
        raise DtypeError(f"backend {name!r} can't carry {dtype}; these can: auto, {able}")
    return "fill" if 0 in shape and not view else name  # some libraries refuse empty images


def _find_plan(image: Array, layout: str | None, backend: str) -> Plan | None:
    """Return the plan for a plain numpy array and default options.

    None for arguments that aren't strings and for dtypes that aren't numbers, which aren't cached:
    they meet their own error, and may be large, or have no hash.
    """
    if type(backend) is str and (layout is None or type(layout) is str):
        dtype = image.dtype
        if dtype.kind in NUMBERS:
            return _recall_plan(image.shape, dtype, layout, (backend, None, _ERROR))
    return None


# A loop over batches asks for the same plan again and again, and to plan one small image takes as
# long as to convert it. The arguments are the key: whatever a plan depends on is one of them.
@lru_cache(1024)
def _recall_plan(
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    layout: str | None,
    options: tuple[str, bool | None, Any],
) -> Plan:
    checked = Options(*options).check()
    axes = resolve(layout, shape)
    return plan_conversion(axes, axes.channels(shape), checked, shape, dtype)


def run_plan(plan: Plan, array: Array, out: Array | None = None) -> Array:
    """Convert a numpy array by its plan, into the checked memory of `out` if there is one."""
    part, moves, axis, backend, view, is_copied, background, axes = plan
    if part is not None:
        array = array[part]
    if moves is not None:
        array = array.transpose(moves)
    if axis is not None and backend is not None:
        array = backend.expand(array, axis, out)
        if array is out or (out is None and not is_copied):
            return array
    elif background is not None:
        return _composite(array, axes, background, out)
    elif view and out is None:
        array = array.view()
        array.flags.writeable = False
        return array
    if out is None:
        return np.array(array, order="C")
    np.copyto(out, array)
    return out


def _convert_array(image: Any, layout: str | None, out: Any, options: Options) -> Any:
    """Convert an array of any kind: find its kind and layout, plan the conversion, and run it."""
    kind = kinds.find_kind(image)
    array, axes, channels = kinds.read_image(kind, image, layout)
    if not isinstance(kind, SharedKind) and options.backend not in _IN_EVERY_LIBRARY:
        raise kinds.refuse_backend(kind, options.backend)
    if isinstance(kind, BlockKind):
        kinds.check_no_out(kind, out)
        function = partial(to_rgb, layout=str(axes), **options._asdict())
        return kind.map_blocks(function, array, axes)
    if isinstance(kind, SharedKind):
        shared = kind.to_numpy_shared(array)
        wants_view = options.is_view and out is None and isinstance(kind, LibraryKind)
        if shared is not None and not wants_view:
            shape, dtype = shared.shape, shared.dtype
            if isinstance(options.alpha, str):
                plan = _recall_plan(shape, dtype, str(axes), options)
            else:  # a background of -0.0 is the same key as one of 0.0
                plan = plan_conversion(axes, channels, options, shape, dtype)
            if out is None:
                rgb = kind.from_numpy(run_plan(plan, shared), array.dtype)
                return kind.wrap_result(rgb, image)
            shape = axes.result_shape(shape)
            run_plan(plan, shared, kinds.share_out(kind, out, shape, array.dtype, shared))
            kind.mark_written(out)
            return out
    library = kinds.require_library(kind, out)
    plan = plan_conversion(axes, channels, options)
    rgb = _run_by_library(plan, options.backend, library, array)
    return library.wrap_result(rgb, image)


_IN_EVERY_LIBRARY = ("auto", "broadcast")  # what an array's own library does in its own way


def _run_by_library(plan: Plan, backend: str, library: LibraryKind, array: Any) -> Any:
    """Convert an array by its plan, with the operations of its own library."""
    if plan.background is not None:
        raise kinds.refuse_background(library)
    if plan.part is not None:
        array = array[plan.part]
    if plan.order is not None:
        array = library.transpose(array, plan.order)
    if plan.axis is None:
        return library.make_view(array) if plan.view else library.make_copy(array)
    if backend not in _IN_EVERY_LIBRARY:
        raise kinds.refuse_backend(library, backend)
    return library.expand(array, plan.axis, view=plan.view)


def _composite(
    array: Array, axes: Layout, background: alphas.Background, out: Array | None
) -> Array:
    """Put gray or RGB with alpha on a background, in the axes of the result."""
    if out is None:
        out = np.empty(axes.result_shape(array.shape), array.dtype)
    last = remove_channel(axes.source) + "C"
    alphas.composite(
        array.transpose(find_order(axes.source, last)),
        background,
        out.transpose(find_order(axes.target, last)),
    )
    return out


def _convert_pil(image: Any, layout: str | None, out: Any, options: Options) -> Any:
    """Convert a PIL image to one in mode RGB."""
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
    options.load_backend()
    flat = pil.flatten(image, options.alpha)
    if options.is_view:
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
    gray = np.asarray(flat)
    plan = plan_conversion(Layout("HW", "HWC"), 1, options, gray.shape, gray.dtype)
    return pil.from_array(run_plan(plan, gray), like=image)
