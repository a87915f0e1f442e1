"""What ``graytorgb adapt`` was asked for, done: the adapted file, its proof and its report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from .. import models
from ..core.writing import write_text
from ..errors import BackendUnavailable, ModelError
from ..extras import require
from ..inspection.gray_images import make_noise_images, read_grays
from ..models.frameworks import FrameworkLine, How, InputSize, Offset
from ..models.image_batches import scale_to_network
from ..models.preprocessing import Preprocessing

_NOISE = 8  # images


@dataclass(frozen=True)
class Request:
    """The arguments of one call of ``graytorgb adapt``.

    Attributes
    ----------
    line : FrameworkLine
        The framework of the model's file.
    preprocessing : Preprocessing
        What --stats, --value-range and --normalized say.
    """

    model: Path
    out: Path
    line: FrameworkLine
    preprocessing: Preprocessing
    how: How
    layers: list[str] | None
    arch: str | None
    classes: int | None
    offset: Offset
    images: Path | None
    image_range: tuple[float, float] | None
    size: tuple[int, ...] | None
    most: int
    tolerance: float
    seconds: float

    def adapt(self, made: Path, **options: Any) -> None:
        """Write the adapted file."""
        models.adapt_file(self.model, made, **self.preprocessing.as_arguments(), **options)


def adapt_and_prove(console: Console, request: Request, made: Path) -> models.Verification | None:
    """Write the adapted file, and prove it if it can be run."""
    if request.line.files_hold == "models":
        return _adapt_model(console, request, made)
    if request.arch is not None:
        return _adapt_network(console, request, made)
    request.adapt(made, layer=request.layers, offset=request.offset)
    fits = "a stem of one channel, and are exact where it doesn't pad with zeros"
    if request.offset == "plane":
        fits = "the network that graytorgb.models.adapt makes, whose stem pads with zeros"
    console.print(
        "[yellow]not proven: weights alone don't run. --arch torchvision:NAME or timm:NAME "
        f"builds their network and proves them.[/]\nThey fit into {escape(fits)}."
    )
    return None


def _adapt_model(console: Console, request: Request, made: Path) -> models.Verification:
    """Adapt a file that holds a model, and prove the file that was written."""
    taken = request.line.load().find_input_size(request.model)
    size = taken.choose(request.size)
    example = request.size and size
    if request.line.example_resizes:
        example = None  # or the model would take this size alone
    request.adapt(made, how=request.how, layer=request.layers, example=example)
    return _verify(console, request, request.model, made, taken)


def _adapt_network(console: Console, request: Request, made: Path) -> models.Verification:
    """Adapt weights through their network, which knows its stem and how that pads."""
    architectures = require("graytorgb.models.torch.architectures")
    original = architectures.build_network(request.arch, request.classes)
    architectures.load_weights(original, request.model, request.arch)
    said = request.preprocessing.as_arguments()
    adapted = models.adapt(original, layer=request.layers, **said)
    key, offset = architectures.find_changed_weight(original, adapted)
    request.adapt(made, layer=key, offset=offset)
    architectures.load_weights(adapted, made, request.arch)  # what was written is what is proven
    taken = request.line.load().find_input_size(original)
    return _verify(console, request, original, adapted, taken)


def _verify(
    console: Console, request: Request, original: Any, adapted: Any, taken: InputSize
) -> models.Verification:
    """Run both networks on the images that were asked for, or on noise."""
    size = taken.choose(request.size)
    if not taken.has_integers and request.preprocessing == Preprocessing():
        console.print("proven on values from 0 to 1; --value-range LO HI if it takes others")
    if request.images is None:
        console.print("proven on noise; --verify IMAGES proves it on yours")
        units = make_noise_images(size, _NOISE)
    elif len(size) != 2:
        raise ModelError("the network takes volumes: graytorgb.models.verify proves those")
    else:
        units, has_more = read_grays(request.images, size, request.image_range, request.most)
        if has_more:
            console.print(f"proven on the first {request.most} images; --at-most takes more")
    images = scale_to_network(units, request.preprocessing, has_integers=taken.has_integers)
    return models.verify(
        original,
        adapted,
        images,
        tolerance=request.tolerance,
        seconds=request.seconds,
    )


def report(
    console: Console, proof: models.Verification, json_path: Path | None, png_path: Path | None
) -> None:
    """Print the proof, and write the files of it that were asked for."""
    console.print(proof)
    if json_path is not None:
        write_text(json_path, proof.to_json() + "\n")
    if png_path is not None:
        try:
            proof.write_png(png_path)
        except (BackendUnavailable, ModelError) as error:  # the proof holds without it
            console.print(f"[yellow]no picture: {escape(str(error))}[/]")


def explain_failure(proof: models.Verification) -> str:
    """Return why nothing is written, and the tolerance that takes what rounding explains."""
    why = "the proof failed, so nothing is written"
    if proof.max_difference <= proof.limit:
        return f"{why}: images are recognized as other classes"
    relative = " of the largest" if proof.limit < proof.tolerance else ""
    why = (
        f"{why}: outputs differ by {proof.max_difference:.2g}, of values up to "
        f"{proof.largest_output:.3g}, and --tolerance is {proof.tolerance:g}{relative}"
    )
    if proof.rounding is None:
        return why
    if proof.enough is None:
        return f"{why}. Rounding explains {proof.rounding:.2g} at most"
    return f"{why}. Rounding explains up to {proof.rounding:.2g}: --tolerance {proof.enough:g}"
