"""``adapt_and_prove``: the work of ``graytorgb adapt``, from the file to the proof."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from .. import models
from ..errors import BackendUnavailable, ModelError
from ..extras import require
from ..inspection.gray_images import make_noise_images, read_grays
from ..models.frameworks import FrameworkLine, How, InputSize, Offset
from ..models.image_batches import scale_to_network
from ..models.preprocessing import Preprocessing

_NOISE = 8  # images
_QUOTED = 3  # how many files that can't be read are quoted


@dataclass(frozen=True)
class Request:
    """The arguments of one call of ``graytorgb adapt``.

    Attributes
    ----------
    line : FrameworkLine
        The framework of the model's file.
    preprocessing : Preprocessing
        The record for --stats, --value-range and --normalized.

    The other attributes have the names of the command's options.
    """

    model: Path
    out: Path
    line: FrameworkLine
    preprocessing: Preprocessing
    stats: Any
    how: How
    layers: list[str] | None
    keys: tuple[str, ...]
    arch: str | None
    classes: int | None
    offset: Offset
    images: Path | None
    image_range: tuple[float, float] | None
    size: tuple[int, ...] | None
    most: int
    tolerance: float
    seconds: float
    runtime: str | None

    def write_adapted(self, dst: Path, **options: Any) -> None:
        """Adapt the model's file, and write the result to `dst`."""
        # the statistics as they were given, which may say how images are resized
        arguments = {**self.preprocessing.as_arguments(), "stats": self.stats}
        models.adapt_file(self.model, dst, **arguments, **options)


def adapt_and_prove(console: Console, request: Request, dst: Path) -> models.Verification | None:
    """Write the adapted file to `dst` and return its proof, or None if nothing can be run."""
    if request.line.files_hold == "models":
        return _adapt_model(console, request, dst)
    if request.arch is not None:
        return _adapt_network(console, request, request.arch, dst)
    request.write_adapted(dst, layer=list(request.keys) or request.layers, offset=request.offset)
    network = "a network whose stem has one channel and a bias, and doesn't pad with zeros"
    if request.offset == "plane":
        network = "a network that graytorgb.models.adapt made, whose stem sees two planes"
    console.print(
        "[yellow]not proven: weights alone don't run. --arch torchvision:NAME or timm:NAME "
        f"builds their network and proves them.[/]\nThey fit {escape(network)}."
    )
    return None


def _adapt_model(console: Console, request: Request, dst: Path) -> models.Verification:
    """Adapt a file that holds a model, and prove the file that was written."""
    input_size = request.line.load().find_input_size(request.model)
    size = input_size.choose_sides(request.size)
    # with an example, an adapted Keras model takes only images of that size
    example = None if request.line.example_resizes else request.size and size
    request.write_adapted(dst, how=request.how, layer=request.layers, example=example)
    return _verify(console, request, request.model, dst, input_size)


def _adapt_network(console: Console, request: Request, arch: str, dst: Path) -> models.Verification:
    """Adapt weights through their network, which knows its stem and how the stem pads."""
    architectures = require("graytorgb.models.torch.architectures")
    original, prefixes = architectures.build_for_weights(arch, request.classes, request.model)
    arguments = request.preprocessing.as_arguments()
    adapted = models.adapt(original, layer=request.layers, **arguments)
    keys, offset = architectures.find_changed_weights(original, adapted)
    names = list(dict.fromkeys(f"{prefix}{key}" for prefix in prefixes for key in keys))
    request.write_adapted(dst, layer=names, offset=offset)
    if len(prefixes) > 1:
        console.print(
            f"the file holds the network {len(prefixes)} times, and each copy is adapted; the "
            "first one is proven"
        )
    architectures.load_weights(adapted, dst, arch)  # so that the proof is of the file
    input_size = request.line.load().find_input_size(original)
    return _verify(console, request, original, adapted, input_size)


def _verify(
    console: Console, request: Request, original: Any, adapted: Any, input_size: InputSize
) -> models.Verification:
    """Run both networks on the images that --verify names, or on noise."""
    size = input_size.choose_sides(request.size)
    if not input_size.has_integers and request.preprocessing == Preprocessing():
        console.print("proven on values from 0 to 1; for others: --value-range LO HI")
    if request.images is None:
        console.print("proven on noise; --verify IMAGES proves it on your images")
        units = make_noise_images(size, _NOISE)
    elif len(size) != 2:
        raise ModelError("the network takes volumes: prove it by graytorgb.models.verify")
    else:
        found = read_grays(request.images, size, request.image_range, request.most)
        units = found.images
        if found.skipped:
            console.print(_describe_skipped(found.skipped))
        if found.has_more:
            console.print(f"proven on the first {request.most} images; --at-most takes more")
    images = scale_to_network(units, request.preprocessing, has_integers=input_size.has_integers)
    return models.verify(
        original,
        adapted,
        images,
        tolerance=request.tolerance,
        seconds=request.seconds,
        runtime=request.runtime,
    )


def _describe_skipped(skipped: list[tuple[Path, str]]) -> str:
    """Say how many files can't be read, and why the first ones can't."""
    lines = [f"  {escape(str(file.name))}: {escape(reason)}" for file, reason in skipped[:_QUOTED]]
    if len(skipped) > _QUOTED:
        lines.append(f"  and {len(skipped) - _QUOTED} more")
    files = "1 file that" if len(skipped) == 1 else f"{len(skipped)} files that"
    return "\n".join([f"[yellow]skipped {files} can't be read:[/]", *lines])


def report(console: Console, proof: models.Verification, png_path: Path | None) -> None:
    """Print the proof, and draw the picture that --png names."""
    console.print(proof)
    if png_path is not None:
        try:
            proof.write_png(png_path)
        except (BackendUnavailable, ModelError) as error:  # the proof is valid without a picture
            console.print(f"[yellow]no picture: {escape(str(error))}[/]")
