"""``to_rgb``: three equal channels for a gray image, or for a batch of them.

An image goes through four steps: its kind (what the caller holds), its layout (which axis is
which), a plan (what becomes of its channels, and which backend does it), and the run of the plan.
Plain numpy arrays take the same steps, and their plans are cached.
"""

from functools import partial
from typing import Any, TypeVar, overload

import numpy as np

from .. import kinds
from ..core import alpha as alphas
from ..core.image_file import ImageFile
from ..core.layout import Layout, parse
from ..errors import DtypeError, GrayToRGBError, LayoutError
from ..kinds import BlockKind, LibraryKind, SharedKind
from ..kinds.numpy import KIND as NUMPY
from ..kinds.numpy import NUMBERS
from .plan import (
    IN_EVERY_LIBRARY,
    Options,
    Plan,
    find_plan,
    plan_conversion,
    run_plan,
    run_plan_by_library,
)

Image = TypeVar("Image")
Array = np.ndarray[Any, Any]


@overload
def to_rgb(
    image: ImageFile,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = "error",
) -> Array: ...
@overload
def to_rgb(
    image: Image,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = "error",
) -> Image: ...
def to_rgb(
    image: Any,
    layout: str | None = None,
    *,
    backend: str = "auto",
    copy: bool | None = None,
    out: Any = None,
    alpha: alphas.Alpha = "error",
) -> Any:
    """Give a gray image, or a batch of them, three equal channels.

    Values and dtype never change, and every backend gives the same bits. An image that is
    RGB already passes through.

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
        If the axes aren't known, or the result can't be what `copy` or `out` asks for.
    ChannelError
        If there are 2 or 4 channels and `alpha` is ``"error"``, or 0 or more than 4 channels.
    DtypeError
        If `image` isn't an image, or holds no numbers; if the backend can't convert its dtype; if
        its kind can't be converted by a named `backend` or into `out`; or if it is a deep PIL
        image (modes I;16, I, F): see :func:`graytorgb.to_uint8`.
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
        # the key of a cached plan: other types have no hash, or are equal to these, as 1 is to True
        is_hashed = isinstance(alpha, str) and type(backend) is str
        is_hashed = is_hashed and (layout is None or type(layout) is str)
        is_plain = type(image) is np.ndarray and image.dtype.kind in NUMBERS
        goes_with_out = copy is None or copy is True or (copy is False and out is None)
        if is_plain and is_hashed and goes_with_out:
            plan = find_plan(image.shape, image.dtype, layout, (backend, copy, alpha))
            if out is None:
                return run_plan(plan, image)
            return _write_result(NUMPY, image, out, image.dtype, plan, image)
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


def _convert_array(image: Any, layout: str | None, out: Any, options: Options) -> Any:
    """Convert an array of any kind: find its kind and layout, plan the conversion, and run it."""
    kind = kinds.find_kind(image)
    array, axes, channels = kinds.read_image(kind, image, layout)
    if isinstance(kind, SharedKind):
        shared = kind.to_numpy_shared(array)
        wants_view = options.is_view and out is None and isinstance(kind, LibraryKind)
        if shared is not None and not wants_view:
            shape, dtype = shared.shape, shared.dtype
            if isinstance(options.alpha, str):
                plan = find_plan(shape, dtype, axes, options)
            else:  # a background of -0.0 is the same key as one of 0.0
                plan = plan_conversion(axes, channels, options, shape, dtype)
            return _write_result(kind, image, out, array.dtype, plan, shared)
    elif options.backend not in IN_EVERY_LIBRARY:
        raise kinds.refuse_backend(kind, options.backend)
    library = kinds.require_unshared(kind, out)
    if isinstance(library, BlockKind):
        function = partial(to_rgb, layout=str(axes), **options._asdict())
        return library.map_blocks(function, array, axes)
    plan = plan_conversion(axes, channels, options)
    rgb = run_plan_by_library(plan, options.backend, library, array)
    return library.wrap_result(rgb, image)


def _write_result(
    kind: SharedKind, image: Any, out: Any, dtype: Any, plan: Plan, shared: Array
) -> Any:
    """Run the plan for the shared memory of an image, into `out` if it is given."""
    write = partial(run_plan, plan, shared)
    return kinds.write_result(kind, image, out, plan.shape, dtype, shared, write)


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
