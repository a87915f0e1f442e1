"""Adaptation of a torch network's state dict, in memory or in a .pt, .pth or .safetensors file."""

import argparse
import os
import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ...core.writing import replacing
from ...errors import ModelError
from ...extras import require
from ..files import SAFETENSORS, TORCH, check_file, explain_read_errors, make_read_error
from ..option_error import ModelOptionError
from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from ..weights import collapse_stem
from .checkpoints import StateDict, find_state_dicts, is_optimizer, replace_tensors

_SAFETENSORS = ".safetensors"
# classes without code of their own that training scripts put beside the weights: their arguments
# and NumPy's numbers
_HARMLESS: list[Any] = [
    argparse.Namespace, np.dtype, np.float64(0).__reduce__()[0],
    *{type(np.dtype(code)) for code in "?bhilqBHILQefd"},
]  # fmt: skip
# finds, in torch's message, the class or function that loading the file would call
_BEYOND_WEIGHTS = re.compile(r"[Uu]nsupported (?:global|class)\W+(?:GLOBAL )?([\w.]+)")


def adapt_state_dict(
    source: Any,
    preprocessing: Preprocessing,
    *,
    key: str | Sequence[str] | None,
    offset: str,
    dst: Any,
) -> dict[str, Any]:
    """Return weights adapted as :func:`graytorgb.models.adapt_state_dict` says."""
    if not preprocessing.is_stated:
        raise ModelError(
            "say how the images were normalized in training: call adapt_state_dict(source, stats). "
            'stats is "imagenet" for most ImageNet weights, and "0..1" for no normalization',
            remedies=("stats",),
        )
    checkpoint, metadata = read_checkpoint(source)
    found = _find_stem_weights(checkpoint, key)
    adapted: Any = checkpoint
    for held, name in found:
        _check_stem_weight(held.tensors, name)
        changed = _adapt_stem(held.tensors, name, preprocessing, offset)
        adapted = replace_tensors(adapted, held.path, changed)
    _warn_of_optimizer(checkpoint)
    if dst is not None:
        _write_file(adapted, Path(dst), metadata)
    return cast(dict[str, Any], adapted)


def read_checkpoint(source: Any) -> tuple[Mapping[str, Any], dict[str, str] | None]:
    """Return a state dict or a checkpoint, of a file too, and the metadata of a safetensors file.

    Raises
    ------
    ModelError
        If `source` isn't one of these, or can't be read as weights.
    """
    if isinstance(source, Mapping):
        return _require_tensors(source, "this state dict"), None
    if not isinstance(source, str | os.PathLike):
        raise ModelOptionError(
            f"source is a state dict or the path of a file, not a {type(source).__name__}; for a "
            "network, pass model.state_dict()"
        )
    path = Path(source)
    check_file(path)
    if path.suffix.lower() == _SAFETENSORS:
        safetensors = require("safetensors")
        with explain_read_errors(path, SAFETENSORS), safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    return _require_tensors(_load_file(path), str(path)), None


def _load_file(path: Path) -> Any:
    """Return the content of a file by torch.save; ModelError if it holds more than weights."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # about formats that raise an error below
            torch.serialization.safe_globals(_HARMLESS),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises errors of any class
        message = str(error)
        is_refusal = isinstance(error, pickle.UnpicklingError)
        if is_refusal and (beyond := _BEYOND_WEIGHTS.search(message)) is not None:
            raise ModelError(
                f"{path} holds more than weights ({beyond[1]}), and running what a file says isn't "
                "safe. If you trust it, load it yourself, torch.load(..., weights_only=False), and "
                "pass the weights in it: adapt_state_dict(loaded['state_dict'], ...), or "
                "adapt_state_dict(loaded.state_dict(), ...) of a whole network"
            ) from error
        if "TorchScript" in message:
            raise ModelError(
                f"{path} is a scripted network, not weights: save its weights alone, "
                f"torch.save(torch.jit.load({str(path)!r}).state_dict(), 'weights.pt')"
            ) from error
        raise make_read_error(path, TORCH, error) from error


def _require_tensors(loaded: Any, name: str) -> Mapping[str, Any]:
    """Return a mapping that holds a state dict, or raise a ModelError for anything else.

    Parameters
    ----------
    loaded : object
        The object that should hold one.
    name : str
        Its name in a message.
    """
    if isinstance(loaded, Mapping):
        unnamed = [key for key, value in loaded.items()
            if isinstance(value, Tensor) and not isinstance(key, str)]  # fmt: skip
        if unnamed:
            raise ModelError(
                f"{name} is no state dict: the name of a tensor is {unnamed[0]!r}, not a text"
            )
        if find_state_dicts(loaded):
            return loaded
    values = loaded.values() if isinstance(loaded, Mapping) else ()
    kinds = sorted({type(value).__name__ for value in values})
    held = f" of {', '.join(kinds)}" if kinds else ""
    raise ModelError(
        f"{name} is no state dict of names and tensors, but a {type(loaded).__name__}{held}"
    )


def _find_stem_weights(
    checkpoint: Mapping[str, Any], keys: str | Sequence[str] | None
) -> list[tuple[StateDict, str]]:
    """Return the weights to adapt: each with the state dict that holds it.

    A checkpoint may hold a network twice, as trained and as averaged (EMA). Each is adapted.

    Raises
    ------
    ModelError
        If there are none, or a state dict has several and the caller doesn't say which.
    """
    held = find_state_dicts(checkpoint)
    if keys is not None:
        named = [keys] if isinstance(keys, str) else list(keys)
        return [found for key in named for found in _find_named(held, key)]
    found = []
    for state in held:
        tensors = state.tensors
        names = [name for name in tensors if _sees_color(tensors[name]) and name.endswith("weight")]
        if len(names) > 1:
            shapes = ", ".join(f"{name!r} {tuple(tensors[name].shape)}" for name in names)
            raise ModelError(
                f"several weights have 3 input channels: {shapes}. Say which one sees the image, "
                "key=name (or a list of names, if several do)",
                remedies=("key",),
            )
        found += [(state, name) for name in names]
    if not found:
        raise ModelError("no weight here has the shape of a stem's, (out, 3, height, width)")
    return found


def _find_named(held: list[StateDict], key: str) -> list[tuple[StateDict, str]]:
    """Return the weights that a name stands for, with a prefix such as ``module.`` or without."""
    exact = [(state, key) for state in held if key in state.tensors]
    if exact:
        return exact
    ends = [(state, [n for n in state.tensors if str(n).endswith(f".{key}")]) for state in held]
    found = [(state, [n for n in names if _sees_color(state.tensors[n])]) for state, names in ends]
    several = next((names for _, names in found if len(names) > 1), None)
    if several is not None:
        raise ModelError(
            f"several weights end in {key!r}, give the whole name: {several}", remedies=("key",)
        )
    if not any(names for _, names in found):
        colored = [n for s in held for n, tensor in s.tensors.items() if _sees_color(tensor)]
        raise ModelError(
            f"no weight is called {key!r}; with 3 input channels there are {colored}",
            remedies=("key",),
        )
    return [(state, names[0]) for state, names in found if names]


def _warn_of_optimizer(checkpoint: Mapping[str, Any]) -> None:
    """Warn that an optimizer's state still belongs to the original's stem."""
    names = [key for key, value in checkpoint.items() if is_optimizer(key) and value]
    states = [key for key in names if "optim" in key.lower()]
    if states:
        warnings.warn(
            f"the checkpoint's {', '.join(map(repr, states))} stays as it is, and its averages for "
            "the stem have the original's shape: train the adapted network with a new optimizer",
            stacklevel=5,
        )


def _sees_color(tensor: Any) -> bool:
    """Whether a value is a tensor with the shape of a convolution's weight for 3 channels."""
    return isinstance(tensor, Tensor) and tensor.ndim in (4, 5) and tensor.shape[1] == CHANNELS


def _check_stem_weight(tensors: Mapping[str, Any], key: str) -> None:
    """Raise a ModelError if a weight can't be a stem's."""
    weight = tensors[key]
    if not isinstance(weight, Tensor):
        raise ModelError(f"{key!r} is no tensor, but {type(weight).__name__}", remedies=("key",))
    if weight.is_meta or weight.layout != torch.strided:
        kind = "on the meta device, without values" if weight.is_meta else "sparse"
        raise ModelError(f"{key!r} is {kind}, and a dense weight is expected")
    if not _sees_color(weight) or not weight.is_floating_point():
        raise ModelError(
            f"{key!r} is no stem's weight: its shape is {tuple(weight.shape)}, its dtype "
            f"{weight.dtype}, and (out, 3, height, width) of floats is expected",
            remedies=("key",),
        )
    if not torch.isfinite(weight).all():
        raise ModelError(f"{key!r} holds NaN or infinite values: load weights that are finite")


def _adapt_stem(
    tensors: Mapping[str, Tensor], name: str, preprocessing: Preprocessing, offset: str
) -> dict[str, Tensor]:
    """Return the tensors of the stem that change, by name."""
    weight, bias_name = tensors[name], name.removesuffix("weight") + "bias"
    normalization = preprocessing.normalization
    changes_bias = normalization.has_offset and offset == "bias"
    if changes_bias and not name.endswith("weight"):
        raise ModelError(
            f"offset='bias' changes NAME.bias for a weight NAME.weight, and {name!r} has no such "
            "name: offset='plane' needs no bias"
        )
    has_bias = changes_bias and bias_name in tensors
    bias = tensors[bias_name].detach().double().cpu().numpy() if has_bias else None
    kernel = weight.detach().double().cpu().numpy()
    axes = "OI" + "DHW"[-(weight.ndim - 2) :]
    gray, gray_bias = collapse_stem(
        kernel, bias, normalization, axes=axes, offset=offset, white=preprocessing.white
    )
    adapted = {name: gray} if gray_bias is None else {name: gray, bias_name: gray_bias}
    converted = {
        key: torch.from_numpy(values).to(weight.device, weight.dtype)
        for key, values in adapted.items()
    }
    if not all(torch.isfinite(tensor).all() for tensor in converted.values()):
        dtype = str(weight.dtype).removeprefix("torch.")
        raise ModelError(
            f"{dtype} overflows: the weights of {name!r} for gray are beyond its largest number. "
            "Convert the weights to float32 first, tensor.float()"
        )
    return converted


def _write_file(checkpoint: Mapping[str, Any], path: Path, metadata: dict[str, str] | None) -> None:
    """Write a checkpoint by ``torch.save``, or its state dict as safetensors with metadata."""
    if not path.parent.is_dir():
        raise ModelError(f"there is no folder {str(path.parent)!r} to write {path.name} into")
    if path.is_dir():
        raise ModelError(f"dst is a file to write, and {str(path)!r} is a folder")
    if path.suffix.lower() != _SAFETENSORS:
        with replacing(path) as written:
            torch.save(checkpoint, written)
        return
    save, tensors = require("safetensors.torch").save_file, _get_only_tensors(checkpoint, path)
    try:
        with replacing(path) as written:
            save({name: t.contiguous() for name, t in tensors.items()}, written, metadata)
    except RuntimeError as error:  # safetensors can't hold tied weights
        raise ModelError(
            f"{path} can't be written: {' '.join(str(error).split())} A .pt file can: "
            f"dst={str(path.with_suffix('.pt'))!r}"
        ) from error


def _get_only_tensors(checkpoint: Mapping[str, Any], path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a flat checkpoint, or raise a ModelError for what doesn't fit."""
    others = [key for key, value in checkpoint.items() if not isinstance(value, Tensor)]
    if others:
        raise ModelError(
            f"{path} can't be written, because safetensors holds tensors alone and this checkpoint "
            f"holds {', '.join(map(repr, others[:4]))} too. A .pt file can: "
            f"dst={str(path.with_suffix('.pt'))!r}"
        )
    return checkpoint
