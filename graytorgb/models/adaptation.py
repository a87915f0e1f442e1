"""Adaptation of pretrained networks and weights to gray images of one channel."""

import os
from pathlib import Path
from typing import Any, TypeVar, cast, overload

from ..core.stats import stats_in_one
from ..extras import require
from .arguments import check_options, check_path, list_layers, read_example
from .frameworks import AdaptOptions, How, Offset, find_file_line, find_framework
from .option_error import ModelOptionError
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
    example : int, tuple, Tensor, ndarray or dict, optional
        An input that the network takes: an image's side, ``(H, W)`` or ``(T, H, W)``, a batch, or
        all arguments of a torch network, as a tuple or a dict by name. The images in it are gray,
        ``(N, 1, H, W)``, so that they can be told from masks. Without it, usual sizes are tried.
        Images of integers need `value_range`. For Keras and ONNX, `example` can only be a size, and
        an adapted Keras network then takes this size.
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
        its weights or outputs aren't finite, or a file is damaged or isn't a model. The message
        says what was found. `model` is
        unchanged.
    OptionError
        If mean and std are given apart, `stats` is a name of no statistics, or another argument
        has a value that isn't allowed.
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
    layer keeps its mode, hooks, buffers and attributes; one that does nothing but normalize the
    image becomes an ``Identity``. In a Keras network or an ONNX graph, the
    image is traced through every operation, and the outputs of the stems are compared.

    If ``w`` are the stem's weights, the weights for gray are ``sum_c w[c] / std[c]``. If the stem
    doesn't pad with zeros, the means add a constant, which goes into the bias. If it does, a bias
    would be wrong near the border. The stem then has two input channels: the gray, normalized by
    the mean of the means and of the stds, and a constant plane. Padding puts zeros around both. A
    torch stem without a bias has these two channels too, because no parameter is added. In torch, a
    subclass of the network's class makes the planes at the beginning of ``forward``, so the network
    inside is an ordinary one. In ONNX and Keras, operations in the graph make them; there the gray
    isn't divided by the std, and in Keras no mean is subtracted.

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
    options = AdaptOptions(how, list_layers(layer), read_example(example), freeze, inplace)
    check_options(options)
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
        See :func:`adapt`. For weights, the names of the stems or of their weights, if several
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
    for name, path in (("src", src), ("dst", dst)):
        check_path(name, path)
    line = find_file_line(src, dst)
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    options = AdaptOptions(how, list_layers(layer), read_example(example), freeze, offset=offset)
    check_options(options)
    if offset != "plane" and line.files_hold == "models":
        raise ModelOptionError(
            "offset= is for files of weights alone: a model says how its stem pads"
        )
    line.load().adapt_file(Path(src), Path(dst), preprocessing, options)


@stats_in_one
def adapt_state_dict(
    source: Any,
    stats: Any = None,
    *,
    key: str | list[str] | None = None,
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
        A state dict, or a .pt, .pth or .safetensors file of one. It may lie inside a checkpoint,
        such as ``{"state_dict": ..., "epoch": 3}``, and names may begin with ``module.``,
        ``_orig_mod.`` or ``model.``. Code in a file is never run.
    stats, value_range, normalized
        See :func:`adapt`. ``"0..1"`` only sums the weights of the three channels.
    key : str or list of str, optional
        The name of the stem's weight, with its prefix or without, or the names of several. Without
        it, the only weight that sees 3 channels is taken; in a checkpoint that holds the network
        several times, as trained and as averaged, the one of each.
    offset : {"plane", "bias"}
        Where the effect of the means goes, unless all means are 0. ``"plane"``: into the weights
        of two input channels, for a ``Conv2d(2, ...)`` that sees normalized gray and a
        constant plane. This is exact for any padding. :func:`adapt` makes such a stem of one that
        pads with zeros or has no bias, and :func:`restore_input` gives a network that was made
        for these weights its planes. ``"bias"``: into the bias, which is added if there is none.
        This is exact only if the stem doesn't pad with zeros, as in patch embeddings. Of one that
        has a bias, :func:`adapt` makes such a ``Conv2d(1, ...)``.
    dst : path, optional
        A file to write: .safetensors with the source's metadata, or any other by ``torch.save``.

    Returns
    -------
    dict of str to Tensor
        The adapted weights, in the structure of `source`: a checkpoint stays one, and prefixes
        stay. They share with `source` all tensors that don't change.

    Raises
    ------
    ModelError
        If the file can't be read as weights, no weight or several could be the stem's, a weight
        isn't finite, or `stats` is missing.
    OptionError
        If an argument has a value that isn't allowed.
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
    check_options(AdaptOptions(offset=offset))
    preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
    keys = list_layers(key, "key", "weight", "key='conv1.weight', for example")
    if dst is not None:
        check_path("dst", dst)
    state_dicts = require(f"{__package__}.torch.state_dicts", "torch", "models")
    adapted = state_dicts.adapt_state_dict(source, preprocessing, key=keys, offset=offset, dst=dst)
    return cast(dict[str, Any], adapted)
