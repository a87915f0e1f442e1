"""State dicts of torch networks, alone or in .pt, .pth and .safetensors files."""

import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...core.writing import replacing
from ...errors import ModelError
from ...extras import require
from ..files import SAFETENSORS, TORCH, check_file, explain_read_errors, make_read_error
from ..preprocessing import Preprocessing
from ..stem import CHANNELS
from ..weights import Normalization, collapse_kernel

_SAFETENSORS = ".safetensors"
# how torch names a class or a function that a file would call
_BEYOND_WEIGHTS = re.compile(r"[Uu]nsupported (?:global|class)\W+(?:GLOBAL )?([\w.]+)")


def adapt_state_dict(
    source: Any, preprocessing: Preprocessing, *, key: str | None, offset: str, dst: Any
) -> dict[str, Tensor]:
    """Return weights adapted as :func:`graytorgb.models.adapt_state_dict` says."""
    if not preprocessing.is_stated:
        raise ModelError(
            "say how the images were normalized, adapt_state_dict(source, stats), for values "
            'from 0 to 1: "imagenet" for most ImageNet weights; "0..1" for none',
            remedies=("stats",),
        )
    tensors, metadata = read(source)
    name = _checked(tensors, _find(tensors) if key is None else key)
    adapted = {**tensors, **_stem(tensors, name, preprocessing.normalization, offset)}
    if dst is not None:
        _write(adapted, Path(dst), metadata)
    return adapted


def read(source: Any) -> tuple[dict[str, Tensor], dict[str, str] | None]:
    """The tensors, and the metadata that a safetensors file has."""
    if isinstance(source, Mapping):
        return _only_tensors(source, "this state dict"), None
    if not isinstance(source, str | os.PathLike):
        raise ModelError(
            f"source is a state dict or the path of a file, not a {type(source).__name__}; of a "
            "network it is model.state_dict()"
        )
    path = Path(source)
    check_file(path)
    if path.suffix.lower() == _SAFETENSORS:
        safetensors = require("safetensors")
        with explain_read_errors(path, SAFETENSORS), safetensors.safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    return _only_tensors(
        _loaded(path), str(path), f"torch.load({str(path)!r}, weights_only=True)"
    ), None


def _loaded(path: Path) -> Any:
    """What a file of torch.save holds, if that is weights alone."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of formats that are refused below
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises errors of any class
        said = str(error)
        beyond = _BEYOND_WEIGHTS.search(said) if isinstance(error, pickle.UnpicklingError) else None
        if beyond is not None:
            raise ModelError(
                f"{path} holds more than weights ({beyond[1]}), and running what a file says isn't "
                "safe. If you trust it, load it yourself, torch.load(..., weights_only=False), and "
                "pass its state_dict()"
            ) from error
        if "TorchScript" in said:
            raise ModelError(
                f"{path} is a scripted network, and not weights: save those alone, "
                f"torch.save(torch.jit.load({str(path)!r}).state_dict(), 'weights.pt')"
            ) from error
        raise make_read_error(path, TORCH, error) from error


def _only_tensors(loaded: Any, name: str, call: str = "checkpoint") -> dict[str, Tensor]:
    """The state dict itself, or ModelError that says where in a checkpoint it is."""
    if isinstance(loaded, Mapping):
        if loaded and all(isinstance(value, Tensor) for value in loaded.values()):
            unnamed = [key for key in loaded if not isinstance(key, str)]
            if unnamed:
                raise ModelError(
                    f"{name} is no state dict: its tensors are named {unnamed[0]!r}, no text"
                )
            return dict(loaded)
        inner = [
            key
            for key, value in loaded.items()
            if isinstance(value, Mapping) and any(isinstance(v, Tensor) for v in value.values())
        ]
        if inner:
            raise ModelError(
                f"{name} is a checkpoint of several things, with weights in {inner}: "
                f"adapt_state_dict({call}[{inner[0]!r}], ...)"
            )
    values = loaded.values() if isinstance(loaded, Mapping) else ()
    kinds = sorted({type(value).__name__ for value in values})
    held = f" of {', '.join(kinds)}" if kinds else ""
    raise ModelError(
        f"{name} is no state dict, names with tensors: a {type(loaded).__name__}{held}"
    )


def _find(tensors: dict[str, Tensor]) -> str:
    """The only weight that can be a stem's."""
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
    return tensor.ndim in (4, 5) and tensor.shape[1] == CHANNELS


def _checked(tensors: dict[str, Tensor], key: str) -> str:
    if key not in tensors:
        raise ModelError(f"no weight is called {key!r}; with 3 input channels there are "
            f"{[name for name, tensor in tensors.items() if _sees_color(tensor)]}")  # fmt: skip
    if tensors[key].is_meta or tensors[key].layout != torch.strided:
        kind = "on the meta device, without values" if tensors[key].is_meta else "sparse"
        raise ModelError(f"{key!r} is {kind}, and a dense weight is expected")
    if not _sees_color(tensors[key]) or not tensors[key].is_floating_point():
        raise ModelError(
            f"{key!r} is no stem's weight: its shape is {tuple(tensors[key].shape)}, its dtype "
            f"{tensors[key].dtype}, and (out, 3, height, width) of floats is expected"
        )
    return key


def _stem(
    tensors: dict[str, Tensor], name: str, normalization: Normalization, offset: str
) -> dict[str, Tensor]:
    """The tensors that change."""
    weight = tensors[name]
    axes = "OI" + "DHW"[-(weight.ndim - 2) :]
    gray, ones = collapse_kernel(weight.detach().double().cpu().numpy(), normalization, axes)
    if not normalization.has_offset:
        return {name: _like(weight, gray)}
    if offset == "plane":
        return {name: _like(weight, np.concatenate((gray, ones), 1))}
    if not name.endswith("weight"):
        raise ModelError(
            f"offset='bias' adds to the bias beside a weight, and {name!r} isn't called one: "
            "offset='plane' needs none"
        )
    spread = ones.sum(tuple(range(1, ones.ndim)))
    bias = name.removesuffix("weight") + "bias"
    if bias in tensors:
        spread += tensors[bias].detach().double().cpu().numpy()
    return {name: _like(weight, gray), bias: _like(weight, spread)}


def _like(weight: Tensor, values: Any) -> Tensor:
    return torch.from_numpy(values).to(weight.device, weight.dtype)


def _write(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None) -> None:
    if not path.parent.is_dir():
        raise ModelError(f"there is no folder {str(path.parent)!r} to write {path.name} into")
    if path.suffix.lower() == _SAFETENSORS:
        save = require("safetensors.torch").save_file
        try:
            with replacing(path) as written:
                save({name: t.contiguous() for name, t in tensors.items()}, written, metadata)
        except RuntimeError as error:  # tied weights, which that format can't say
            raise ModelError(
                f"{path} can't be written: {' '.join(str(error).split())} A .pt file can: "
                f"dst={str(path.with_suffix('.pt'))!r}"
            ) from error
    else:
        with replacing(path) as written:
            torch.save(tensors, written)
