"""The pretrained network with one input channel and the same outputs, and the proof of it."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from ..errors import ModelError
from ..extras import require
from .image_batches import batches_of
from .weights import normalizations

if TYPE_CHECKING:
    from .verification_result import Verification

__all__ = ["adapt", "adapt_state_dict", "verify"]

Model = TypeVar("Model")
How = Literal["collapse", "expand", "learned"]

# Where a network's class is, and the module here that knows it, with its library and extra.
_FRAMEWORKS = (
    # before torch: with that as Keras's backend, its networks are both
    ("keras", "Model", "keras", "keras", "keras"),
    ("torch.nn", "Module", "torch", "torch", "models"),
    ("onnx", "ModelProto", "onnx", "onnx", "onnx"),
)
_FILES = {".onnx": ("onnx", "onnx"), ".keras": ("keras", "keras")}


@overload
def adapt(
    model: str | os.PathLike[str],
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    out: str | os.PathLike[str] | None = None,
) -> Any: ...
@overload
def adapt(
    model: Model,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    freeze: bool = False,
    inplace: bool = False,
    out: str | os.PathLike[str] | None = None,
) -> Model: ...
def adapt(
    model: Any,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    freeze: bool = False,
    inplace: bool = False,
    out: str | os.PathLike[str] | None = None,
) -> Any:
    """Give a network that was trained on RGB images an input of one channel.

    The adapted network's outputs for a gray image are those of `model` for the image repeated
    and normalized, ``model((gray - mean) / std)``, up to rounding, borders included.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, onnx.ModelProto or path
        The network, or an .onnx or .keras file. It is copied, not changed, unless `inplace`.
    mean, std : float or sequence of 1 or 3 floats
        How its images were normalized in training, for values from 0 to 1;
        ``*graytorgb.stats(source)`` finds them. Left out for networks that normalize their
        images themselves: torchvision's detection models, EfficientNet of ``keras.applications``.
    how : {"collapse", "expand", "learned"}
        ``"collapse"``: the first convolution (the stem) sees gray, with the normalization
        folded into its weights. ``"expand"``: weights stay, and the gray is repeated in front
        of the network, as a view where the planes are equal. ``"learned"``: a trainable
        1 to 3 convolution of size 1 in front, which starts as exact repetition; not for ONNX.
    layer : str or list of str, optional
        The stem's name, where it can't be found by following an image through the network;
        the caller then answers for it that the image goes nowhere else, unless the network can
        be run by an image alone and its outputs compared. For ``"collapse"``.
        An ONNX or Keras graph tells where its image goes, so there it is checked, and says
        which input is meant if several are images.
    example : int, tuple, Tensor or dict, optional
        An input that the network takes: an image's side, its ``(H, W)`` or ``(T, H, W)``, a
        batch, or a dict of the network's arguments. Usual sizes are tried otherwise. For Keras
        a size alone, which the adapted network's input then has; its own otherwise.
    value_range : (lo, hi), optional
        The values of the gray that stand for 0 and 1: ``(0, 255)`` for bytes. From 0 to 1 if
        nothing is said.
    normalized : (m, s), optional
        The gray is normalized already, ``(g - m) / s`` of values ``g`` from 0 to 1. One mean
        and one std: three channels' statistics don't fit into one plane, and `mean` and `std`
        bring them.
    freeze : bool
        With ``"learned"``: nothing else is trainable.
    inplace : bool
        Change `model` itself, and need no memory for a copy. A graph of Keras can't be changed,
        but be put behind a layer, by ``"expand"`` or ``"learned"``.
    out : path, optional
        Write the ONNX or the Keras model. Tensors that are in files beside an ONNX model go from
        there into ``out.data``, and aren't held in memory.

    Returns
    -------
    of the type of `model`
        For ``"collapse"`` the network itself or its copy, with other weights in its stem;
        otherwise a module ``GrayInput`` with the layers ``front`` and ``model``, or a
        ``keras.Model`` with `model` as its last layer. Of a path, an ``onnx.ModelProto`` or a
        ``keras.Model``.

    Raises
    ------
    ModelError
        If `mean` and `std` are needed and missing, no stem is found, or it can't be adapted
        exactly; the message says what was found. `model` is as it was. Also if a file is damaged
        or no model.
    FileNotFoundError, IsADirectoryError, PermissionError
        If a file can't be opened.
    BackendUnavailable
        If a library is missing.

    See Also
    --------
    graytorgb.models.verify : The proof, on your own images.

    Notes
    -----
    A torch network is run before and after, in eval mode, and all that it returns is compared, at
    the size of `example` and at an odd one; at one size alone where it refuses the other. What
    differs by more than rounding is refused; in doubt the comparison is made in float64. Random
    numbers are the same in both runs. Where a network's own outputs differ from run to run even
    so, its stems alone are compared; of torchvision's detection models, the features of the
    backbone. Every layer keeps its mode, hooks, buffers and attributes. Of a Keras network or an
    ONNX graph every operation on the image is followed, and the stems are compared.

    With ``w`` the stem's weights, the gray's are ``sum_c w[c] / std[c]``. What the means add is
    a bias where the stem doesn't pad with zeros. Where it does, a bias would be wrong within
    the kernel's reach of the border, and the stem gets a second input channel, a plane of ones
    that a hook, or a node of an ONNX graph, appends inside the network; its weights are
    ``-sum_c w[c] mean[c] / std[c]``.

    Examples
    --------
    >>> import torch, graytorgb as g2r
    >>> from graytorgb.models import adapt
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU()).eval()
    >>> gray = adapt(color, *g2r.stats("imagenet"))
    >>> x = torch.rand(1, 1, 32, 32)
    >>> mean, std = (torch.tensor(v)[:, None, None] for v in g2r.stats("imagenet"))
    >>> torch.allclose(gray(x), color((x - mean) / std), atol=1e-5)
    True
    """
    adapter = _adapter(model)
    stated, plain = normalizations(mean, std, value_range, normalized)
    if how not in ("collapse", "expand", "learned"):
        raise ModelError(f'how is "collapse", "expand" or "learned", not {how!r}')
    layers = _layers(layer)
    if layers is not None and how != "collapse":
        raise ModelError(f'layer= names what how="collapse" changes; how={how!r} changes none')
    if freeze and how != "learned":
        raise ModelError(
            f'freeze=True leaves the layer of how="learned" trainable, and how={how!r} has none: '
            "model.requires_grad_(False), or model.trainable = False in Keras"
        )
    return adapter.adapt(
        model,
        stated,
        plain,
        how=how,
        layer=layers,
        example=example,
        freeze=freeze,
        inplace=inplace,
        out=None if out is None else Path(out),
    )


def adapt_state_dict(
    source: Any,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    *,
    key: str | None = None,
    offset: Literal["plane", "bias"] = "plane",
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    out: Any = None,
) -> dict[str, Any]:
    """Adapt the weights of a torch network alone, without the network.

    A file of weights doesn't say how its stem pads, so it can't hold a border's share of the
    normalization by itself: `offset` says how the network will.

    Parameters
    ----------
    source : dict of str to Tensor, or path
        A state dict, or a .pt, .pth or .safetensors file of one. Files are read as weights
        only: nothing in them is run.
    mean, std, value_range, normalized
        As for :func:`adapt`; ``0, 1`` sums the weights as they are.
    key : str, optional
        The stem's weight. It is found if one weight alone sees 3 channels.
    offset : {"plane", "bias"}
        Where the share of the means goes, unless they are 0. ``"plane"``: a second input
        channel, for ``Conv2d(2, ...)`` given the gray and a plane of ones, exact for any
        padding; this is what :func:`adapt` makes of a stem that pads with zeros, so the result
        loads into it. ``"bias"``: a bias, exact only where the stem doesn't pad with zeros, as
        in patch embeddings; it is added if there is none, and this is what :func:`adapt` makes
        of those.
    out : path, optional
        Write the result, as safetensors with the source's metadata or by ``torch.save``.

    Returns
    -------
    dict of str to Tensor
        The tensors of `source` that don't change are shared with it.

    Raises
    ------
    ModelError
        If the file can't be read as weights, no weight or several could be the stem's, or `mean`
        and `std` are missing.
    FileNotFoundError, IsADirectoryError, PermissionError
        If the file can't be opened.
    BackendUnavailable
        If torch or safetensors is missing.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.models import adapt, adapt_state_dict
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> weights = adapt_state_dict(color.state_dict(), 0.5, 0.5)
    >>> weights["0.weight"].shape
    torch.Size([8, 2, 3, 3])
    >>> adapt(color, 0.5, 0.5).load_state_dict(weights)
    <All keys matched successfully>
    """
    if offset not in ("plane", "bias"):
        raise ModelError(f'offset is "plane" or "bias", not {offset!r}')
    stated, _ = normalizations(mean, std, value_range, normalized)
    if stated is None:
        raise ModelError(
            "say how the images were normalized, adapt_state_dict(source, mean, std), for values "
            'from 0 to 1: *graytorgb.stats("imagenet") for most ImageNet weights; 0, 1 for none'
        )
    files = require(f"{__name__}.torch.files", "torch", "models")
    return cast(
        dict[str, Any], files.adapt_state_dict(source, stated, key=key, offset=offset, out=out)
    )


def verify(
    original: Any,
    adapted: Any,
    images: Any,
    mean: ArrayLike | None = None,
    std: ArrayLike | None = None,
    *,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    layer: str | None = None,
    tolerance: float = 1e-4,
    batch_size: int = 8,
    seconds: float = 1.0,
) -> "Verification":
    """Prove that an adapted network's outputs are the original's.

    The original is given the gray three times, normalized; the adapted one is given the gray.
    Both run in eval mode, and are left in the mode they were in.

    Parameters
    ----------
    original, adapted : torch.nn.Module, keras.Model, onnx.ModelProto or path
        The network of 3 channels, and what :func:`adapt` made of it. ONNX Runtime runs ONNX
        models; a network can be compared with one that was made of it in another framework.
    images : array, or sequence of arrays of shape (H, W)
        Gray in the range that the adapted network takes: numpy arrays or CPU tensors, of shape
        (N, H, W), (N, 1, H, W), (N, H, W, 1) or (N, 1, T, H, W) if it is one. Images of several
        sizes in a sequence are run one by one. An ONNX model that takes several images is given
        each of these several times, shifted sideways.
    mean, std, value_range, normalized
        What :func:`adapt` was given. Left out for a network that normalizes by itself.
    layer : str, optional
        The stem's name, found as in :func:`adapt` otherwise.
    tolerance : float
        The largest difference of a value that passes. Where every output is below 1, the
        largest difference over the largest output, or over 1000 times what images change if that
        is less; but a rounding error of up to a hundredth of the tolerance passes.
    batch_size : int
    seconds : float
        How long to time both networks on the first batch, in rounds of random order; 0 measures
        neither time nor memory.

    Returns
    -------
    Verification
        ``passed``, the ``reason`` if it isn't, the figures, ``to_json()``, ``write_png(path)``;
        rich prints it as a table.

    Raises
    ------
    ModelError
        If `images` aren't gray images, a network can't be run on them, nothing comes out that
        can be compared, or both networks agree and their outputs don't depend on the images.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.models import adapt, verify
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> proof = verify(color, adapt(color, 0.5, 0.25), torch.rand(4, 32, 32), 0.5, 0.25)
    >>> proof.passed, proof.images
    (True, 4)
    """
    from .output_comparison import compare

    if batch_size < 1:
        raise ModelError(f"batch_size is 1 or more, not {batch_size}")
    if layer is not None and not isinstance(layer, str):
        raise ModelError(f"layer is the name of one convolution here, not {layer!r}")
    if not 0 <= tolerance < np.inf:
        raise ModelError(f"tolerance is a number, 0 or more, not {tolerance!r}")
    adapters = _adapter(original), _adapter(adapted)
    stated, plain = normalizations(mean, std, value_range, normalized)
    before = adapters[0].Runner(original, stated or plain)
    after = adapters[1].Runner(adapted, None)
    stated_range = value_range is not None or normalized is not None or before.integers
    batches = batches_of(images, batch_size, stated_range=stated_range)
    lo, width = float(plain.mean[0]), float(plain.std[0])
    span = (lo, lo + width) if value_range or normalized or not before.integers else (0.0, 255.0)
    with before.evaluating(), after.evaluating():
        return compare(
            before, after, batches, layer=layer, tolerance=tolerance, seconds=seconds, span=span
        )


def _layers(layer: Any) -> list[str] | None:
    """What `layer` names, each once."""
    if layer is None:
        return None
    names = [layer] if isinstance(layer, str) else layer
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ModelError(
            f"layer is the name of a layer, or a list of names, not {type(layer).__name__}: "
            "layer=stem.name in Keras, or a name as named_modules() gives it"
        )
    if not names:
        raise ModelError(
            f"layer={layer!r} names no layer, so nothing would be adapted: leave layer out, and "
            "the first convolution is found"
        )
    return list(dict.fromkeys(names))


def _adapter(model: Any) -> Any:
    """The module here that knows networks of this kind."""
    for module, name, adapter, library, extra in _FRAMEWORKS:
        # found without importing what isn't there already
        kind = getattr(sys.modules.get(module), name, None)
        if kind is not None and isinstance(model, kind):
            return require(f"{__name__}.{adapter}", library, extra)
    if isinstance(model, str | os.PathLike):
        suffix = Path(model).suffix.lower()
        if suffix in _FILES:
            adapter, library = _FILES[suffix]
            return require(f"{__name__}.{adapter}", library, library)
        hint = {
            ".h5": "model = keras.models.load_model(path) first",
            ".hdf5": "model = keras.models.load_model(path) first",
        }.get(suffix, "for weights in .pt, .pth and .safetensors: adapt_state_dict(path, ...)")
        raise ModelError(
            f"a model's file is {' or '.join(_FILES)}, and this isn't: {os.fspath(model)!r}; {hint}"
        )
    raise ModelError(
        "expected a torch.nn.Module, a keras.Model, an onnx.ModelProto or the path of a file, "
        f"{' or '.join(_FILES)}, not {type(model).__name__}"
    )
