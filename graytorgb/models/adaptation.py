"""Adaptation of pretrained networks and weights to gray images of one channel."""

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

    For a gray image, the adapted network returns what `model` returns for the image repeated and
    normalized, ``model((gray - mean) / std)``. Both agree up to rounding, at the borders too.

    Parameters
    ----------
    model : torch.nn.Module, keras.Model, onnx.ModelProto or path
        The network, or an .onnx or .keras file. It is copied, not changed, unless `inplace`.
    stats : str, pair (mean, std) or object, optional
        The mean and the std by which the network's training images were normalized, for values
        from 0 to 1: anything that :func:`graytorgb.stats` takes, such as ``"imagenet"``. Leave it
        out for networks that normalize their images themselves, such as torchvision's detection
        models and EfficientNet of ``keras.applications``.
    how : {"collapse", "expand", "learned"}
        ``"collapse"``: the first convolution (the stem) sees gray, with the normalization
        folded into its weights. ``"expand"``: the weights stay, and a layer before the network
        repeats and normalizes the gray. ``"learned"``: the layer before the network is a trainable
        1 to 3 convolution of size 1, which at first does exactly what ``"expand"`` does. ONNX
        models, which aren't trained, don't have this way.
    layer : str or list of str, optional
        For ``"collapse"``: the stem's name, for a network in which tracing an image doesn't find
        the stem. If a torch network can't be run on an image alone, nothing checks that the image
        goes nowhere else. In an ONNX or a Keras graph the name is checked. If several of its
        inputs are images, the name also selects the one that leads to this stem.
    example : int, tuple, Tensor or dict, optional
        An input that the network takes: an image's side, its ``(H, W)`` or ``(T, H, W)``, a
        batch, or a dict of the network's arguments. Without it, usual sizes are tried. For Keras
        and ONNX, `example` can only be a size, and an adapted Keras network then takes this size.
    value_range : (lo, hi), optional
        The gray values that stand for 0 and 1: ``(0, 255)`` for bytes. The default is ``(0, 1)``,
        if `normalized` isn't given either.
    normalized : (m, s), optional
        The mean and the std if the gray is already normalized, as ``(g - m) / s`` of values ``g``
        from 0 to 1. These are two numbers, because gray has one channel. The statistics of the
        network's three channels go into `stats`.
    freeze : bool
        With ``"learned"``: whether every layer but the new one is frozen.
    inplace : bool
        Whether to change `model` itself, which needs no memory for a copy. A Keras graph can't be
        changed; with ``"expand"`` and ``"learned"`` the new network then contains `model` itself.

    Returns
    -------
    torch.nn.Module, keras.Model or onnx.ModelProto
        For ``"collapse"``, the network or its copy, with other weights in its stem. For the other
        ways, a torch module ``GrayInput`` with the layers ``front`` and ``model``, or a
        ``keras.Model`` with `model` as its last layer. The network carries the statistics and the
        range, in copies and files too, so you don't have to give them to :func:`verify`.

    Raises
    ------
    ModelError
        If `stats` is needed and missing, no stem is found, the network can't be adapted exactly,
        or a file is damaged or isn't a model. The message says what was found. `model` is
        unchanged.
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
    graytorgb.models.verify : Prove on your own images that the outputs are equal.
    graytorgb.models.adapt_file : Adapt a file, and write the result to another file.

    Notes
    -----
    A torch network is run in eval mode before and after the change, at the size of `example` and
    at an odd size if it takes one. All that it returns is compared, and a difference of more than
    rounding is an error. In doubt, the comparison is repeated in float64. Random numbers are the
    same in both runs. If a network's outputs still differ from run to run, only the outputs of the
    stems are compared; for torchvision's detection models, the features of the backbone are. Every
    layer keeps its mode, hooks, buffers and attributes. In a Keras network or an ONNX graph, the
    image is traced through every operation, and the outputs of the stems are compared.

    If ``w`` are the stem's weights, the weights for gray are ``sum_c w[c] / std[c]``. If the stem
    doesn't pad with zeros, the means add a constant, which goes into its bias. If it does, a bias
    would be wrong near the border. The stem then has two input channels: the gray, and its
    negative ``white - gray``, where ``white`` is the upper end of the gray's range. Padding puts
    zeros around both. The weights are the stem's answers to white and to black. In torch, a
    subclass of the network's class makes the negative at the beginning of ``forward``, so the
    network inside is an ordinary one; in ONNX and Keras it is made by an operation in the graph.

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
    """Adapt the network, or the weights, in a file, and write the result to another file.

    Parameters
    ----------
    src : path
        An .onnx or a .keras file, or the weights of a torch network in a .safetensors, .pt, .pth
        or .bin file, which are adapted by :func:`adapt_state_dict`.
    dst : path
        The file to write, of the same kind. Tensors in files beside an ONNX model are copied into
        ``dst.data``, and aren't held in memory.
    stats, how, example, value_range, normalized, freeze
        See :func:`adapt`. For weights, `how` is ``"collapse"``.
    layer : str or list of str, optional
        See :func:`adapt`. For weights, the name of the stem or of its weight, if several
        weights see 3 channels.
    offset : {"plane", "bias"}
        For weights: see :func:`adapt_state_dict`.

    Raises
    ------
    ModelError, OptionError, LevelsError, BackendUnavailable
        If :func:`adapt` or :func:`adapt_state_dict` raises one of these, or if `dst` is of another
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
    line = find_file_line(src, dst)
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    options = AdaptOptions(how, _list_layers(layer), example, freeze, offset=offset)
    _check_options(options)
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
    """Adapt the weights of a torch network without the network.

    The normalization subtracts the means. Where this goes in the weights depends on how the stem
    pads, which weights don't tell. So `offset` says it.

    Parameters
    ----------
    source : dict of str to Tensor, or path
        A state dict, or a .pt, .pth or .safetensors file of one. Code in a file is never run.
    stats, value_range, normalized
        See :func:`adapt`. ``"0..1"`` only sums the weights of the three channels.
    key : str, optional
        The name of the stem's weight. Without it, the only weight that sees 3 channels is taken.
    offset : {"plane", "bias"}
        Where the effect of the means goes, unless all means are 0. ``"plane"``: into the weights
        of two input channels, for a ``Conv2d(2, ...)`` that sees the gray and its negative,
        ``white - gray``, where white is the upper end of the gray's range, 1 unless you state
        another. This is exact for any padding. :func:`adapt` makes such a stem of one that pads
        with zeros or has no bias. ``"bias"``: into the bias, which is added if there is none.
        This is exact only if the stem doesn't pad with zeros, as in patch embeddings. Of one that
        has a bias, :func:`adapt` makes such a ``Conv2d(1, ...)``.
    dst : path, optional
        A file to write: .safetensors with the source's metadata, or any other by ``torch.save``.

    Returns
    -------
    dict of str to Tensor
        The adapted weights. They share with `source` all tensors that don't change.

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
    """Raise a ModelError for options that no framework takes."""
    if options.how not in get_args(How):
        raise ModelError(f'how is "collapse", "expand" or "learned", not {options.how!r}')
    if options.layers is not None and options.how != "collapse":
        raise ModelError(
            f'layer= names the stem that how="collapse" changes; how={options.how!r} changes none'
        )
    if options.freeze and options.how != "learned":
        raise ModelError(
            f'freeze=True is for how="learned", and how={options.how!r} has no layer to train: '
            "call model.requires_grad_(False), or set model.trainable = False in Keras"
        )
    if options.offset not in get_args(Offset):
        raise ModelError(f'offset is "plane" or "bias", not {options.offset!r}')


def _list_layers(layer: Any) -> list[str] | None:
    """Return the names that ``layer=`` gives, each once, or None without it."""
    if layer is None:
        return None
    names = [layer] if isinstance(layer, str) else layer
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ModelError(
            f"layer is the name of a layer, or a list of names, not {type(layer).__name__}: pass "
            "layer=stem.name in Keras, or a name from named_modules() in torch"
        )
    if not names:
        raise ModelError(
            f"layer={layer!r} names no layer, so nothing would be adapted: leave layer out, "
            "and the stem is found by tracing an image"
        )
    return list(dict.fromkeys(names))
