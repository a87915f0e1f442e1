"""``graytorgb adapt``: a model's file with one input channel, written once it is proven."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from .. import models
from ..core.writing import write_text
from ..errors import BackendUnavailable, GrayToRGBError, ModelError
from ..extras import require
from ..inspection.gray_images import make_noise_images, read_grays
from ..models.frameworks import FRAMEWORKS, FrameworkLine, How, InputSize, Offset, find_file_line
from ..models.image_batches import scale_to_network
from ..models.preprocessing import Preprocessing
from .files import FileCommand, InputPath, ModelOutput, ModelPath, OutputFile
from .types import PAIR, Shape, StatsOption

_NOISE = 8  # images
# The options for what an error says in Python.
_OPTIONS = {
    "stats": f"--stats imagenet, or --stats {PAIR}",
    "no stats": "no --stats, or --stats 0..1",
    "how": "--how expand, with --stats",
    "image_range": "--image-range LO HI",
    "layer": "--layer NAME",
    "example": "--size HEIGHTxWIDTH",
}
_EXAMPLES = """\b
Examples:
  graytorgb adapt model.onnx gray.onnx --stats imagenet --verify photos
  graytorgb adapt model.pth gray.pth --stats imagenet --arch timm:resnet18
"""


@dataclass(frozen=True)
class Request:
    """What was asked for.

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


def _refuse_apart(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Tell who gives --mean or --std how statistics are given."""
    if value is not None:
        raise click.UsageError(f"{param.opts[0]} is half of --stats {PAIR}: give both in one")


@click.command("adapt", cls=FileCommand, epilog=_EXAMPLES)
@click.argument("model", type=ModelPath(exists=True, dir_okay=False))
@click.argument("out", type=ModelOutput())
@click.option(
    "--stats",
    type=StatsOption(),
    metavar="imagenet",
    help=f'Mean and std of its training images: imagenet, "-1..1", "0..1" (as it is), caffe, '
    f"torchvision weights, ResNet50_Weights.DEFAULT, or numbers, {PAIR}, red first, for values "
    "from 0 to 1.",
)
@click.option("--mean", hidden=True, expose_value=False, callback=_refuse_apart)
@click.option("--std", hidden=True, expose_value=False, callback=_refuse_apart)
@click.option(
    "--how",
    type=click.Choice(["collapse", "expand"]),
    default="collapse",
    show_default=True,
    help="Fold into the first convolution, or repeat in front (ONNX, Keras).",
)
@click.option("--layer", "layers", multiple=True, help="The first convolution.  [default: found]")
@click.option(
    "--value-range",
    type=(float, float),
    metavar="LO HI",
    help="The gray that stands for 0 and 1.  [default: 0 1]",
)
@click.option(
    "--normalized",
    type=(float, float),
    metavar="MEAN STD",
    help="The gray is normalized already, by these.",
)
@click.option(
    "--arch",
    metavar="torchvision:NAME",
    help="Of weights: the network that they are for, or timm:NAME; without it nothing is proven.",
)
@click.option("--classes", type=click.IntRange(1), help="Of weights: how many --arch tells apart.")
@click.option(
    "--offset",
    type=click.Choice(["plane", "bias"]),
    default="plane",
    show_default=True,
    help="Of weights without --arch: where the means go; bias if the layer doesn't pad.",
)
@click.option(
    "--verify",
    "images",
    type=InputPath(exists=True),
    metavar="IMAGES",
    help="A folder or file of images to prove it on.  [default: noise]",
)
@click.option(
    "--image-range",
    type=(float, float),
    metavar="LO HI",
    help="The images' black and white.  [default: what each file states]",
)
@click.option(
    "--size",
    type=Shape("224x224"),
    metavar="224x224",
    help="What the images are resized to.  [default: what the network states, or 224]",
)
@click.option(
    "--at-most",
    "most",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Images to prove it on.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-4,
    show_default=True,
    help="The largest difference of an output that passes; relative below 1.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Timing of both; 0 for none.",
)
@click.option("--json", "json_path", type=OutputFile(), help="Write the proof's figures.")
@click.option(
    "--png",
    "png_path",
    type=OutputFile([".png"]),
    help="Draw where the first convolutions differ.",
)
def adapt_command(
    model: Path,
    out: Path,
    stats: Any,
    value_range: tuple[float, float] | None,
    normalized: tuple[float, float] | None,
    layers: tuple[str, ...],
    json_path: Path | None,
    png_path: Path | None,
    **rest: Any,
) -> None:
    """Give the network in the file MODEL an input of one channel, and write it as OUT.

    MODEL is an ONNX or a Keras model, or the weights of a torch network in .safetensors, .pt or
    .pth. Both networks are run on the same gray images; OUT is written if their outputs are equal.
    """
    console = Console()
    line = _find_line(model, out)
    with _errors_for_shell(line):
        preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
        request = Request(model, out, line, preprocessing, layers=list(layers) or None, **rest)
        _check(request, proof_wanted=json_path is not None or png_path is not None)
        with TemporaryDirectory(prefix=".graytorgb-", dir=out.parent) as folder:
            made = Path(folder) / out.name
            proof = _adapt(console, request, made)
            if proof is not None:
                _report(console, proof, json_path, png_path)
                if not proof.passed:
                    raise ModelError(_explain_failure(proof))
            # the tensors beside a model before the model that names them
            for file in sorted(Path(folder).iterdir(), key=lambda f: f.name == made.name):
                os.replace(file, out.parent / file.name)  # noqa: PTH105
    console.print(f"[bold]wrote {escape(str(out))}[/]: {escape(preprocessing.describe_input())}")


@contextmanager
def _errors_for_shell(line: FrameworkLine) -> Iterator[None]:
    """Raise the package's errors as the command line's, with the options that settle them."""
    try:
        yield
    except (GrayToRGBError, OSError) as error:
        names = [name for name in getattr(error, "remedies", ()) if name in _OPTIONS]
        if line.files_hold == "weights":
            names = [name for name in names if name != "how"]
        hint = f"\nHere: {'; '.join(_OPTIONS[name] for name in names)}" if names else ""
        raise click.ClickException(f"{error}{hint}") from error


def _find_line(model: Path, out: Path) -> FrameworkLine:
    """Return the framework of the model's file, or raise a usage error."""
    try:
        line = find_file_line(model)
    except ModelError as error:
        every = ", ".join(suffix for line in FRAMEWORKS.values() for suffix in line.suffixes)
        raise click.UsageError(
            f"MODEL is a file of {every}, and its name ends in {model.suffix.lower()!r}"
        ) from error
    if not line.takes_file(out):
        raise click.UsageError(f"OUT is of the same kind as MODEL: {', '.join(line.suffixes)}")
    return line


def _check(request: Request, *, proof_wanted: bool) -> None:
    """Raise a usage error for options that don't go together, before anything is read."""
    if request.size is not None and 0 in request.size:
        raise click.UsageError("--size is of images with pixels: each side is 1 or more")
    if request.line.files_hold == "models":
        if request.arch or request.classes:
            raise click.UsageError("--arch and --classes are for weights; this model has its graph")
        return
    if request.how == "expand":
        raise click.UsageError("--how expand puts nodes into a graph, and weights have none")
    if request.arch is None and (request.images is not None or proof_wanted):
        raise click.UsageError(
            "weights alone don't run, so nothing can be proven: --arch torchvision:NAME or "
            "timm:NAME says whose they are"
        )


def _adapt(console: Console, request: Request, made: Path) -> models.Verification | None:
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
    architectures = require("graytorgb.models.torch.architectures", "torch", "models")
    original = architectures.build(request.arch, request.classes)
    architectures.load(original, request.model, request.arch)
    said = request.preprocessing.as_arguments()
    adapted = models.adapt(original, layer=request.layers, **said)
    key, offset = architectures.find_changed_weight(original, adapted)
    request.adapt(made, layer=key, offset=offset)
    architectures.load(adapted, made, request.arch)  # what was written is what is proven
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


def _report(
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


def _explain_failure(proof: models.Verification) -> str:
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
