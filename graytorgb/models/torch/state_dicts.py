"""Adaptation of a torch network's state dict, in memory or in a .pt, .pth or .safetensors file."""

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.writing import replacing
from ...errors import ModelError
from ...extras import require
from ..files import SAFETENSORS, TORCH, check_file, explain_read_errors, make_read_error
from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from ..weights import collapse_stem

_SAFETENSORS = ".safetensors"
# finds, in torch's message, the class or function that loading the file would call
_BEYOND_WEIGHTS = re.compile(r"[Uu]nsupported (?:global|class)\W+(?:GLOBAL )?([\w.]+)")


def adapt_state_dict(
    source: Any, preprocessing: Preprocessing, *, key: str | None, offset: str, dst: Any
) -> dict[str, Tensor]:
    """Return weights adapted as :func:`graytorgb.models.adapt_state_dict` says."""
    if not preprocessing.is_stated:
        raise ModelError(
            "say how the images were normalized in training: call adapt_state_dict(source, stats). "
            'stats is "imagenet" for most ImageNet weights, and "0..1" for no normalization',
            remedies=("stats",),
        )
    tensors, metadata = read_state_dict(source)
    name = _find_stem_weight(tensors) if key is None else key
    _check_stem_weight(tensors, name)
    adapted = {**tensors, **_adapt_stem(tensors, name, preprocessing, offset)}
    if dst is not None:
        _write_file(adapted, Path(dst), metadata)
    return adapted


def read_state_dict(source: Any) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """Return the tensors of a state dict or of a file, and the metadata of a safetensors file.

    Raises
    ------
    ModelError
        If `source` isn't one of these, or can't be read as weights.
    """
    if isinstance(source, Mapping):
        return _require_tensors(source, "this state dict", "checkpoint"), None
    if not isinstance(source, str | os.PathLike):
        raise ModelError(
            f"source is a state dict or the path of a file, not a {type(source).__name__}; for a "
            "network, pass model.state_dict()"
        )
    path = Path(source)
    check_file(path)
    if path.suffix.lower() == _SAFETENSORS:
        safetensors = require("safetensors")
        with explain_read_errors(path, SAFETENSORS), safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    call = f"torch.load({str(path)!r}, weights_only=True)"
    return _require_tensors(_load_file(path), str(path), call), None


def _load_file(path: Path) -> Any:
    """Return the content of a file by torch.save; ModelError if it holds more than weights."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about formats that raise an error below
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises errors of any class
        message = str(error)
        is_refusal = isinstance(error, pickle.UnpicklingError)
        if is_refusal and (beyond := _BEYOND_WEIGHTS.search(message)) is not None:
            raise ModelError(
                f"{path} holds more than weights ({beyond[1]}), and running what a file says isn't "
                "safe. If you trust it, load it yourself, torch.load(..., weights_only=False), and "
                "pass its state_dict()"
            ) from error
        if "TorchScript" in message:
            raise ModelError(
                f"{path} is a scripted network, not weights: save its weights alone, "
                f"torch.save(torch.jit.load({str(path)!r}).state_dict(), 'weights.pt')"
            ) from error
        raise make_read_error(path, TORCH, error) from error


def _require_tensors(loaded: Any, name: str, call: str) -> dict[str, Tensor]:
    """Return a state dict, or raise a ModelError that says which part of a checkpoint is one.

    Parameters
    ----------
    loaded : object
        The object that should be a state dict.
    name : str
        Its name in a message.
    call : str
        The Python expression that gives it, for a message.
    """
    if isinstance(loaded, Mapping):
        if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
            unnamed = [key for key in loaded if not isinstance(key, str)]
            if unnamed:
                raise ModelError(
                    f"{name} is no state dict: the name of a tensor is {unnamed[0]!r}, not a text"
                )
            return dict(loaded)
        inner = [
            key
            for key, value in loaded.items()
            if isinstance(value, Mapping) and any(isinstance(v, Tensor) for v in value.values())
        ]
        if inner:
            raise ModelError(
                f"{name} is a checkpoint that holds more than a state dict, with weights in "
                f"{inner}: adapt_state_dict({call}[{inner[0]!r}], ...)"
            )
    values = loaded.values() if isinstance(loaded, Mapping) else ()
    kinds = sorted({type(value).__name__ for value in values})
    held = f" of {', '.join(kinds)}" if kinds else ""
    raise ModelError(
        f"{name} is no state dict of names and tensors, but a {type(loaded).__name__}{held}"
    )


def _find_stem_weight(tensors: dict[str, Tensor]) -> str:
    """Return the name of the only weight that can be a stem's; ModelError if there isn't one."""
    names = [name for name in tensors if _sees_color(tensors[name]) and name.endswith("weight")]
    if len(names) == 1:
        return names[0]
    shapes = ", ".join(f"{name!r} {tuple(tensors[name].shape)}" for name in names)
    if not names:
        raise ModelError("no weight here has the shape of a stem's, (out, 3, height, width)")
    raise ModelError(
        f"several weights have 3 input channels: {shapes}. Say which one sees the image, key=name",
        remedies=("layer",),
    )


def _sees_color(tensor: Tensor) -> bool:
    """Whether a tensor has the shape of a convolution's weight for 3 channels."""
    return tensor.ndim in (4, 5) and tensor.shape[1] == CHANNELS


def _check_stem_weight(tensors: dict[str, Tensor], key: str) -> None:
    """Raise a ModelError if there is no weight `key`, or it can't be a stem's."""
    if key not in tensors:
        colored = [name for name, tensor in tensors.items() if _sees_color(tensor)]
        raise ModelError(f"no weight is called {key!r}; with 3 input channels there are {colored}")
    weight = tensors[key]
    if weight.is_meta or weight.layout != torch.strided:
        kind = "on the meta device, without values" if weight.is_meta else "sparse"
        raise ModelError(f"{key!r} is {kind}, and a dense weight is expected")
    if not _sees_color(weight) or not weight.is_floating_point():
        raise ModelError(
            f"{key!r} is no stem's weight: its shape is {tuple(weight.shape)}, its dtype "
            f"{weight.dtype}, and (out, 3, height, width) of floats is expected"
        )


def _adapt_stem(
    tensors: dict[str, Tensor], name: str, preprocessing: Preprocessing, offset: str
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
    return {
        key: torch.from_numpy(values).to(weight.device, weight.dtype)
        for key, values in adapted.items()
    }


def _write_file(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None) -> None:
    """Write a state dict as safetensors, with its metadata, or by ``torch.save``."""
    if not path.parent.is_dir():
        raise ModelError(f"there is no folder {str(path.parent)!r} to write {path.name} into")
    if path.suffix.lower() == _SAFETENSORS:
        save = require("safetensors.torch").save_file
        try:
            with replacing(path) as written:
                save({name: t.contiguous() for name, t in tensors.items()}, written, metadata)
        except RuntimeError as error:  # safetensors can't hold tied weights
            raise ModelError(
                f"{path} can't be written: {' '.join(str(error).split())} A .pt file can: "
                f"dst={str(path.with_suffix('.pt'))!r}"
            ) from error
    else:
        with replacing(path) as written:
            torch.save(tensors, written)
