"""``graytorgb adapt``: adapt a model's file to gray, prove the result, and write it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.markup import escape

from ..errors import GrayToRGBError, ModelError
from ..models.frameworks import FrameworkLine, find_file_line
from ..models.preprocessing import Preprocessing
from ..models.runtimes import RUNTIMES
from .adapt_request import Request, adapt_and_prove, report
from .faults import discard_native_stderr
from .files import FileCommand, InputPath, ModelOutput, ModelPath, OutputFile
from .report_file import describe_version, json_option, json_report, write_json
from .types import PAIR, FiniteFloat, Shape, StatsOption

_EXAMPLES = """\b
Examples:
  graytorgb adapt model.onnx gray.onnx --stats imagenet --verify photos
  graytorgb adapt model.pth gray.pth --stats imagenet --arch timm:resnet18
"""


def _reject_half(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Raise a usage error for --mean or --std, which belong together in --stats."""
    if value is not None:
        raise click.UsageError(f"{param.opts[0]} is no option: give --stats {PAIR}")


@click.command("adapt", cls=FileCommand, epilog=_EXAMPLES)
@click.argument("model", type=ModelPath(exists=True, dir_okay=False))
@click.argument("out", type=ModelOutput())
@click.option(
    "--stats",
    type=StatsOption(),
    metavar="imagenet",
    help=f"Mean and std of the model's training images, for values from 0 to 1: imagenet, caffe, "
    f'"-1..1", "0..1" (not normalized), ResNet50_Weights.DEFAULT and other torchvision weights, or '
    f"numbers, {PAIR}, red first.",
)
@click.option("--mean", hidden=True, expose_value=False, callback=_reject_half)
@click.option("--std", hidden=True, expose_value=False, callback=_reject_half)
@click.option(
    "--how",
    type=click.Choice(["collapse", "expand"]),
    default="collapse",
    show_default=True,
    help="Make the first convolution see gray, or repeat the gray before it (ONNX, Keras).",
)
@click.option("--layer", "layers", multiple=True, help="The first convolution's name.")
@click.option(
    "--value-range",
    type=(float, float),
    metavar="LO HI",
    help="The adapted network's values for black and white.  [default: 0 1]",
)
@click.option(
    "--normalized",
    type=(float, float),
    metavar="MEAN STD",
    help="The mean and std of the gray, if it is already normalized.",
)
@click.option(
    "--arch",
    metavar="torchvision:NAME",
    help="For weights: the network they are for, or timm:NAME. Without it nothing is proven.",
)
@click.option(
    "--classes",
    type=click.IntRange(1),
    help="For weights with --arch: the number of classes.  [default: what the file's last layer "
    "tells]",
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    metavar="NAME",
    help="For weights without --arch: the name of the weight that sees the image, if several see 3 "
    "channels. Repeat it for several.",
)
@click.option(
    "--offset",
    type=click.Choice(["plane", "bias"]),
    default="plane",
    show_default=True,
    help="For weights without --arch, where the means go: plane, for a first convolution of 2 "
    "channels; or bias, if it has a bias and doesn't pad with zeros.",
)
@click.option(
    "--verify",
    "images",
    type=InputPath(exists=True),
    metavar="IMAGES",
    help="A folder or file of images for the proof.  [default: noise]",
)
@click.option(
    "--image-range",
    type=(float, float),
    metavar="LO HI",
    help="The values of black and white in the images of the proof, such as 0 4095 for 12 bits.  "
    "[default: what each file states]",
)
@click.option(
    "--size",
    type=Shape("224x224"),
    metavar="224x224",
    help="The size that images are resized to.  [default: what the network states, or 224]",
)
@click.option(
    "--at-most",
    "most",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="The largest number of images in the proof.",
)
@click.option(
    "--tolerance",
    type=FiniteFloat(min=0),
    default=1e-4,
    show_default=True,
    help="The largest difference of outputs that passes; relative if all are below 1.",
)
@click.option(
    "--seconds",
    type=FiniteFloat(min=0),
    default=1.0,
    show_default=True,
    help="How long to time both networks. 0 measures neither time nor memory.",
)
@click.option(
    "--runtime",
    type=click.Choice(list(RUNTIMES), case_sensitive=False),
    help="The runtime that both networks are converted to for the proof.  [default: none, the "
    "framework itself]",
)
@json_option("Write the proof's figures")
@click.option(
    "--png",
    "png_path",
    type=OutputFile([".png"]),
    help="Draw where the outputs of the first convolutions differ.",
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
    .pth. Both networks are run on the same gray images. OUT is only written if their outputs are
    equal. Weights can only be run with --arch; without it they are written unproven.
    """
    try:
        line = find_file_line(model, out)
    except ModelError as error:
        raise click.UsageError(str(error)) from error
    with _without_how(line), json_report(json_path) as (console, stdout):
        preprocessing = Preprocessing.from_arguments(stats, value_range, normalized)
        request = Request(
            model, out, line, preprocessing, stats, layers=list(layers) or None, **rest
        )
        _check_options(request, proof_wanted=json_path is not None or png_path is not None)
        with discard_native_stderr():
            line.load()
        if request.runtime is not None:
            RUNTIMES[request.runtime].check_takes(line.folder)
        with TemporaryDirectory(prefix=".graytorgb-", dir=out.parent) as folder:
            proof = adapt_and_prove(console, request, Path(folder) / out.name)
            if proof is not None:
                report(console, proof, png_path)
                if json_path is not None:
                    figures = json.loads(proof.to_json())
                    names = {"model": str(model), "out": str(out)}
                    write_json(describe_version() | names | figures, json_path, stdout)
                if not proof.passed:
                    reason = proof.explain_failure("--tolerance {:g}")
                    raise ModelError(
                        f"the proof failed with --tolerance {request.tolerance:g}, so nothing is "
                        f"written: {reason}"
                    )
            # files of tensors are moved first, and then the model that names them
            for file in sorted(Path(folder).iterdir(), key=lambda f: f.name == out.name):
                os.replace(file, out.parent / file.name)  # noqa: PTH105
        console.print(
            f"[bold]wrote {escape(str(out))}[/]: {escape(preprocessing.describe_input())}"
        )


@contextmanager
def _without_how(line: FrameworkLine) -> Iterator[None]:
    """Leave --how out of what solves an error, where the file holds weights alone."""
    try:
        yield
    except GrayToRGBError as error:
        if line.files_hold == "weights":
            error.remedies = tuple(name for name in error.remedies if name != "how")
        raise


def _check_options(request: Request, *, proof_wanted: bool) -> None:
    """Raise a usage error for options that exclude each other, before anything is read."""
    if request.size is not None and 0 in request.size:
        raise click.UsageError("--size has an empty side: each side is 1 or more")
    if request.line.files_hold == "models":
        if request.arch or request.classes:
            raise click.UsageError("--arch and --classes are for weights, not for a whole model")
        if request.keys:
            raise click.UsageError("--key is for weights; of a whole model, --layer names the stem")
        if request.offset != "plane":
            raise click.UsageError("--offset is for weights: a model says how its stem pads")
        return
    if request.keys and (request.arch or request.layers):
        raise click.UsageError(
            "--key names a weight where nothing else does: with --arch the network is traced, and "
            "--layer names a layer"
        )
    if request.arch and request.offset != "plane":
        raise click.UsageError(
            "--offset is for weights without --arch: the network that --arch builds says how its "
            "stem pads"
        )
    if request.classes and not request.arch:
        raise click.UsageError("--classes is for --arch, which builds the network")
    if request.how == "expand":
        raise click.UsageError("--how expand is for a whole model, not for weights alone")
    proof_wanted = proof_wanted or request.images is not None or request.runtime is not None
    if request.arch is None and proof_wanted:
        raise click.UsageError(
            "weights alone don't run, so nothing can be proven: name their network, --arch "
            "torchvision:NAME or timm:NAME"
        )
