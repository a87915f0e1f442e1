"""``adapt``, ``adapt_file`` and ``adapt_state_dict``: a pretrained network given one channel."""

import os
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, overload

from ..core.stats import stats_in_one
from ..errors import ModelError
from ..extras import require
from .frameworks import AdaptOptions, How, Offset, find_file_line, find_framework
from .preprocessing import Preprocessing

Model = TypeVar("Model")
StrPath = str | os.PathLike[str]


@overload
def adapt(
    model: StrPath,
    stats: Any = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    freeze: bool = False,
) -> Any: ...
@overload
def adapt(
    model: Model,
    stats: Any = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    freeze: bool = False,
    inplace: bool = False,
) -> Model: ...
@stats_in_one
def adapt(
    model: Any,
    stats: Any = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    freeze: bool = False,
    inplace: bool = False,
) -> Any:
    """Give a network that was trained on RGB images an input of one channel.

    The adapted network's outputs for a gray image are those of `model` for the image repeated
    and normalized, ``model((gray - mean) / std)``, up to rounding, borders included.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, onnx.ModelProto or path
        The network, or an .onnx or .keras file. It is copied, not changed, unless `inplace`.
    stats : str, pair (mean, std) or object, optional
        How its images were normalized in training, for values from 0 to 1: anything that
        :func:`graytorgb.stats` takes, such as ``"imagenet"``. Left out for networks that normalize
        their images themselves: torchvision's detection models, EfficientNet of
        ``keras.applications``.
    how : {"collapse", "expand", "learned"}
        ``"collapse"``: the first convolution (the stem) sees gray, with the normalization
        folded into its weights. ``"expand"``: weights stay, and the gray is repeated in front
        of the network, as a view where the planes are equal. ``"learned"``: a trainable
        1 to 3 convolution of size 1 in front, which starts as exact repetition; not for ONNX.
    layer : str or list of str, optional
        For ``"collapse"``: the stem's name, where tracing an image through the network doesn't
        find it. If the network can't be run on an image alone, nothing checks that the image goes
        nowhere else. In an ONNX or a Keras graph the name is checked, and says which input is
        meant if several are images.
    example : int, tuple, Tensor or dict, optional
        An input that the network takes: an image's side, its ``(H, W)`` or ``(T, H, W)``, a
        batch, or a dict of the network's arguments. Usual sizes are tried otherwise. For Keras
        a size alone, which the adapted network's input then has; its own otherwise.
    value_range : (lo, hi), optional
        The gray values that stand for 0 and 1: ``(0, 255)`` for bytes. From 0 to 1 if neither
        this nor `normalized` is given.
    normalized : (m, s), optional
        The gray is normalized already, ``(g - m) / s`` of values ``g`` from 0 to 1. One mean
        and one std: three channels' statistics don't fit into one plane, and `stats` brings them.
    freeze : bool
        With ``"learned"``: nothing else is trainable.
    inplace : bool
        Change `model` itself, which needs no memory for a copy. A Keras graph can't be changed; it
        can be put behind a layer, by ``"expand"`` or ``"learned"``.

    Returns
    -------
    of the type of `model`
        For ``"collapse"`` the network itself or its copy, with other weights in its stem;
        otherwise a module ``GrayInput`` with the layers ``front`` and ``model``, or a
        ``keras.Model`` with `model` as its last layer. Of a path, an ``onnx.ModelProto`` or a
        ``keras.Model``. It carries the statistics and the range, through copies and files too, so
        that :func:`verify` needs nothing said again.

    Raises
    ------
    ModelError
        If `stats` is needed and missing, no stem is found, or it can't be adapted
        exactly; the message says what was found. `model` is as it was. Also if a file is damaged
        or no model.
    OptionError
        If mean and std are given apart, or `stats` is a name of no statistics.
    LevelsError
        If `stats` can't be used as statistics.
    FileNotFoundError, IsADirectoryError, PermissionError
        If a file can't be opened.
    BackendUnavailable
        If a library is missing.

    See Also
    --------
    graytorgb.models.verify : The proof, on your own images.
    graytorgb.models.adapt_file : From a file into a file.

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
    >>> gray = adapt(color, "imagenet")
    >>> x = torch.rand(1, 1, 32, 32)
    >>> mean, std = (torch.tensor(v)[:, None, None] for v in g2r.stats("imagenet"))
    >>> torch.allclose(gray(x), color((x - mean) / std), atol=1e-5)
    True
    """
    framework = find_framework(model)
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    options = AdaptOptions(how, _list_layers(layer), example, freeze, inplace)
    _check_options(options)
    return framework.adapt(model, preprocessing, options)


@stats_in_one
def adapt_file(
    src: StrPath,
    dst: StrPath,
    stats: Any = None,
    *,
    how: How = "collapse",
    layer: str | list[str] | None = None,
    example: Any = None,
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    freeze: bool = False,
    offset: Offset = "plane",
) -> None:
    """Adapt the model, or the weights, in a file, and write the result to another file.

    Parameters
    ----------
    src : path
        An .onnx or a .keras file, or weights of a torch network in .safetensors, .pt, .pth or
        .bin, which go through :func:`adapt_state_dict`.
    dst : path
        The file to write, of the same kind. Tensors that are in files beside an ONNX model go
        from there into ``dst.data``, and aren't held in memory.
    stats, how, example, value_range, normalized, freeze
        See :func:`adapt`. For weights, `how` is ``"collapse"``.
    layer : str or list of str, optional
        See :func:`adapt`. For weights, the name of the stem or of its weight, where several
        weights see 3 channels.
    offset : {"plane", "bias"}
        For weights: see :func:`adapt_state_dict`.

    Raises
    ------
    ModelError, OptionError, LevelsError, BackendUnavailable
        Where :func:`adapt` and :func:`adapt_state_dict` raise them, or if `dst` is of another
        kind than `src`. `dst` is as it was.
    FileNotFoundError, IsADirectoryError, PermissionError
        If a file can't be opened.

    Examples
    --------
    >>> import tempfile, torch
    >>> from pathlib import Path
    >>> from graytorgb.models import adapt_file
    >>> folder = Path(tempfile.mkdtemp())
    >>> torch.save(torch.nn.Conv2d(3, 8, 3, padding=1).state_dict(), folder / "color.pt")
    >>> adapt_file(folder / "color.pt", folder / "gray.pt", "imagenet")
    >>> torch.load(folder / "gray.pt", weights_only=True)["weight"].shape
    torch.Size([8, 2, 3, 3])
    """
    line = find_file_line(src)
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    options = AdaptOptions(how, _list_layers(layer), example, freeze, offset=offset)
    _check_options(options)
    if not line.takes_file(dst):
        raise ModelError(
            f"dst is a file of the same kind as src, {' or '.join(line.suffixes)}, not "
            f"{os.fspath(dst)!r}"
        )
    if offset != "plane" and line.files_hold == "models":
        raise ModelError("offset= is for files of weights alone: a model says how its stem pads")
    line.load().adapt_file(Path(src), Path(dst), preprocessing, options)


@stats_in_one
def adapt_state_dict(
    source: Any,
    stats: Any = None,
    *,
    key: str | None = None,
    offset: Offset = "plane",
    value_range: tuple[float, float] | None = None,
    normalized: tuple[float, float] | None = None,
    dst: StrPath | None = None,
) -> dict[str, Any]:
    """Adapt the weights of a torch network alone, without the network.

    A file of weights doesn't say how its stem pads, so it can't hold a border's share of the
    normalization by itself: `offset` says how the network will.

    Parameters
    ----------
    source : dict of str to Tensor, or path
        A state dict, or a .pt, .pth or .safetensors file of one. Files are read as weights
        only: nothing in them is run.
    stats, value_range, normalized
        See :func:`adapt`; ``"0..1"`` sums the weights as they are.
    key : str, optional
        The stem's weight. It is found if one weight alone sees 3 channels.
    offset : {"plane", "bias"}
        Where the share of the means goes, unless they are 0. ``"plane"``: a second input
        channel, for ``Conv2d(2, ...)`` given the gray and a plane of ones, exact for any
        padding; this is what :func:`adapt` makes of a stem that pads with zeros, so the result
        loads into it. ``"bias"``: a bias, exact only where the stem doesn't pad with zeros, as
        in patch embeddings; it is added if there is none, and this is what :func:`adapt` makes
        of those.
    dst : path, optional
        The file to write, as safetensors with the source's metadata or by ``torch.save``.

    Returns
    -------
    dict of str to Tensor
        The tensors of `source` that don't change are shared with it.

    Raises
    ------
    ModelError
        If the file can't be read as weights, no weight or several could be the stem's, or `stats`
        is missing.
    FileNotFoundError, IsADirectoryError, PermissionError
        If the file can't be opened.
    BackendUnavailable
        If torch or safetensors is missing.

    Examples
    --------
    >>> import torch
    >>> from graytorgb.models import adapt, adapt_state_dict
    >>> color = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.ReLU())
    >>> weights = adapt_state_dict(color.state_dict(), (0.5, 0.5))
    >>> weights["0.weight"].shape
    torch.Size([8, 2, 3, 3])
    >>> adapt(color, (0.5, 0.5)).load_state_dict(weights)
    <All keys matched successfully>
    """
    _check_options(AdaptOptions(offset=offset))
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    state_dicts = require(f"{__package__}.torch.state_dicts", "torch", "models")
    adapted = state_dicts.adapt_state_dict(source, preprocessing, key=key, offset=offset, dst=dst)
    return cast(dict[str, Any], adapted)


def _check_options(options: AdaptOptions) -> None:
    """Check what holds in every framework."""
    if options.how not in get_args(How):
        raise ModelError(f'how is "collapse", "expand" or "learned", not {options.how!r}')
    if options.layers is not None and options.how != "collapse":
        raise ModelError(
            f'layer= names what how="collapse" changes; how={options.how!r} changes none'
        )
    if options.freeze and options.how != "learned":
        raise ModelError(
            f'freeze=True leaves the layer of how="learned" trainable, and how={options.how!r} has '
            "none: model.requires_grad_(False), or model.trainable = False in Keras"
        )
    if options.offset not in get_args(Offset):
        raise ModelError(f'offset is "plane" or "bias", not {options.offset!r}')


def _list_layers(layer: Any) -> list[str] | None:
    """Return the names that ``layer=`` gives, each once, or None if it isn't given."""
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
