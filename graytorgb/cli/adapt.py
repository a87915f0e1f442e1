"""``graytorgb adapt``: a model's file with one input channel, written once it is proven."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.markup import escape

from .. import models
from ..core.stats import stats as find_stats
from ..core.writing import write_text
from ..errors import GrayToRGBError, ModelError
from ..extras import require
from ..inspection.gray_images import image_files, read_gray
from ..models.weights import Normalization
from .files import FileCommand, InputPath, ModelOutput, ModelPath, OutputFile
from .types import Numbers, Shape

if TYPE_CHECKING:
    from ..models.verification_result import Verification

# What holds a network with its graph, and the library that runs it.
_GRAPHS = {".onnx": "onnx", ".keras": "keras"}
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin")
_SIZE = 224
_NOISE = 8  # images


_EXAMPLES = """\b
Examples:
  graytorgb adapt model.onnx gray.onnx --stats imagenet --verify photos
  graytorgb adapt model.pth gray.pth --stats imagenet --arch timm:resnet18
"""


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes
    ----------
    preprocessing : dict
        mean, std, value_range and normalized, as :func:`graytorgb.models.adapt` takes them.
    """

    model: Path
    out: Path
    preprocessing: dict[str, Any]
    how: models.How
    layers: list[str] | None
    arch: str | None
    classes: int | None
    offset: Literal["plane", "bias"]
    images: Path | None
    image_range: tuple[float, float] | None
    size: tuple[int, ...] | None
    most: int
    tolerance: float
    seconds: float


@click.command("adapt", cls=FileCommand, epilog=_EXAMPLES)
@click.argument("model", type=ModelPath(exists=True, dir_okay=False))
@click.argument("out", type=ModelOutput())
@click.option(
    "--mean",
    type=Numbers(),
    metavar="M,M,M",
    help="Of its training images, red first, for values from 0 to 1.",
)
@click.option("--std", type=Numbers(), metavar="S,S,S", help="Their standard deviations, the same.")
@click.option(
    "--stats",
    metavar="imagenet",
    help='Mean and std by name: imagenet, "-1..1", "0..1" (as it is), caffe, or '
    "torchvision weights, ResNet50_Weights.DEFAULT.",
)
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
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    stats: str | None,
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
    options = None
    try:
        preprocessing = {"value_range": value_range, "normalized": normalized}
        preprocessing |= _statistics(mean, std, stats)
        options = Options(preprocessing=preprocessing, layers=list(layers) or None, **rest)
        _check(options, proof_wanted=json_path is not None or png_path is not None)
        with TemporaryDirectory(prefix=".graytorgb-", dir=options.out.parent) as folder:
            made = Path(folder) / options.out.name
            proof = _adapt(console, options, made)
            if proof is not None:
                _report(console, proof, json_path, png_path)
                if not proof.passed:
                    raise ModelError(_why(proof))
            # the tensors beside a model before the model that names them
            for file in sorted(Path(folder).iterdir(), key=lambda f: f.name == made.name):
                os.replace(file, options.out.parent / file.name)  # noqa: PTH105
    except (GrayToRGBError, OSError) as error:
        raise click.ClickException(f"{error}\n{_hint(error, options)}".strip()) from error
    console.print(f"[bold]wrote {escape(str(options.out))}[/]: {escape(_input(options))}")


# What messages say in Python, and the options for it.
_HINTS = {
    "how the images were normalized": "--stats imagenet, or --mean and --std",
    "takes whole numbers, so nothing is normalized": "no --stats and --mean, or --stats 0..1",
    'how="expand" works': "--how expand, with --stats or --mean and --std",
    "black and white have to be stated": "--image-range LO HI",
    "key=name": "--layer NAME",
    "example=(height, width)": "--size HEIGHTxWIDTH",
}


def _hint(error: Exception, options: "Options | None") -> str:
    """The options for what a message says in Python."""
    is_graph = options is None or options.model.suffix.lower() in _GRAPHS
    hints = [hint for phrase, hint in _HINTS.items()
        if phrase in str(error) and (is_graph or "expand" not in hint)]  # fmt: skip
    return f"Here: {'; '.join(hints)}" if hints else ""


def _statistics(mean: Any, std: Any, stats: str | None) -> dict[str, Any]:
    if stats is None:
        return {"mean": mean, "std": std}
    if mean is not None or std is not None:
        raise click.UsageError("--stats names both --mean and --std: give one or the other")
    return dict(zip(("mean", "std"), find_stats(stats), strict=True))


def _check(options: Options, *, proof_wanted: bool) -> None:
    """Usage errors, before anything is read."""
    suffix, weights = options.model.suffix.lower(), options.model.suffix.lower() in _WEIGHTS
    if suffix not in (*_GRAPHS, *_WEIGHTS):
        raise click.UsageError(
            f"MODEL is a file of {', '.join((*_GRAPHS, *_WEIGHTS))}, and its name ends in "
            f"{suffix!r}"
        )
    kinds = _WEIGHTS if weights else (suffix,)
    if options.out.suffix.lower() not in kinds:
        raise click.UsageError(f"OUT is of the same kind as MODEL: {', '.join(kinds)}")
    if options.size is not None and 0 in options.size:
        raise click.UsageError("--size is of images with pixels: each side is 1 or more")
    if weights and options.how == "expand":
        raise click.UsageError("--how expand puts nodes into a graph, and weights have none")
    if not weights and (options.arch or options.classes):
        raise click.UsageError("--arch and --classes are for weights; this model has its graph")
    if weights and options.arch is None and (options.images is not None or proof_wanted):
        raise click.UsageError(
            "weights alone don't run, so nothing can be proven: --arch torchvision:NAME or "
            "timm:NAME says whose they are"
        )


def _adapt(console: Console, options: Options, made: Path) -> "Verification | None":
    """Write the adapted model, and prove it if it can be run."""
    if options.model.suffix.lower() in _GRAPHS:
        return _adapt_graph(console, options, made)
    if options.arch is None:
        _adapt_weights(options, made, next(iter(options.layers or ()), None), options.offset)
        console.print(
            "[yellow]not proven: weights alone don't run. --arch torchvision:NAME or timm:NAME "
            "builds their network and proves them.[/]"
        )
        console.print(f"They fit into {escape(_fits(options))}.")
        return None
    return _adapt_network(console, options, made)


def _adapt_graph(console: Console, options: Options, made: Path) -> "Verification":
    library = _GRAPHS[options.model.suffix.lower()]
    adapter = require(f"graytorgb.models.{library}", library, library)
    if library == "onnx":
        require("onnxruntime", "onnxruntime", "onnx")
    sides, integers = adapter.input_size(options.model)
    models.adapt(
        options.model,
        how=options.how,
        layer=options.layers,
        # Keras would make it the size of the network's input
        example=options.size and _size(options, sides) if library == "onnx" else None,
        out=made,
        **options.preprocessing,
    )
    images = _images(console, options, sides, integers=integers)
    return _verify(options, options.model, made, images)


def _adapt_network(console: Console, options: Options, made: Path) -> "Verification":
    """Through the network: it knows its stem, and how that pads."""
    archs = require("graytorgb.models.torch.architectures", "torch", "models")
    assert options.arch is not None
    original = archs.build(options.arch, options.classes)
    archs.load(original, options.model, options.arch)
    adapted = models.adapt(original, layer=options.layers, **options.preprocessing)
    key, offset = archs.change(original, adapted)
    _adapt_weights(options, made, key, offset)
    archs.load(adapted, made, options.arch)  # what was written is what is proven
    said = getattr(original, "pretrained_cfg", None) or {}  # timm
    sides = said.get("input_size", (0, None, None))[1:]
    return _verify(options, original, adapted, _images(console, options, sides))


def _adapt_weights(
    options: Options, made: Path, key: str | None, offset: Literal["plane", "bias"]
) -> None:
    if key is not None and not key.endswith("weight"):
        key = f"{key}.weight"
    models.adapt_state_dict(
        options.model,
        key=key,
        offset=offset,
        out=made,
        **options.preprocessing,
    )


def _verify(options: Options, original: Any, adapted: Any, images: Any) -> "Verification":
    return models.verify(
        original,
        adapted,
        images,
        tolerance=options.tolerance,
        seconds=options.seconds,
        **options.preprocessing,
    )


def _images(
    console: Console, options: Options, sides: tuple[int | None, ...], *, integers: bool = False
) -> list[NDArray[Any]]:
    """Gray in the range that the adapted network takes: those of files, or noise."""
    size = _size(options, sides)
    if not integers and not any(value is not None for value in options.preprocessing.values()):
        console.print("proven on values from 0 to 1; --value-range LO HI if it takes others")
    if options.images is None:
        console.print("proven on noise; --verify IMAGES proves it on yours")
        rng = np.random.default_rng(0)
        units = [rng.random(size).astype(np.float32) for _ in range(_NOISE)]
    else:
        if len(size) != 2:
            raise ModelError("the network takes volumes: graytorgb.models.verify proves those")
        units = _units(console, options, (size[0], size[1]))
    if integers:
        return [np.rint(255 * unit).astype(np.uint8) for unit in units]
    limits = options.preprocessing["value_range"], options.preprocessing["normalized"]
    plain = Normalization.of(0, 1, *limits)
    lo, span = np.float32(plain.mean[0]), np.float32(plain.std[0])
    return [lo + span * unit for unit in units]


def _units(console: Console, options: Options, size: tuple[int, int]) -> list[NDArray[Any]]:
    """The images of the files, from 0 to 1."""
    assert options.images is not None
    files = image_files(options.images)
    units: list[NDArray[Any]] = []
    for file in files:
        units.extend(read_gray(file, size, options.image_range))
        if len(units) > options.most:
            break
    if len(units) > options.most or file != files[-1]:
        console.print(f"proven on the first {options.most} images; --at-most takes more")
    return units[: options.most]


def _size(options: Options, sides: tuple[int | None, ...]) -> tuple[int, ...]:
    """The sides of an image: the network's, then those asked for, then usual ones."""
    asked: tuple[int | None, ...] = options.size or (None,) * len(sides)
    fits = len(asked) == len(sides) and all(
        a in (None, n) or n is None for a, n in zip(asked, sides, strict=True)
    )
    if not fits:
        fixed = " x ".join("any" if n is None else str(n) for n in sides)
        said = " x ".join(map(str, asked))
        raise ModelError(f"the network takes images of {fixed}, and --size says {said}")
    return tuple(n or a or _SIZE for n, a in zip(sides, asked, strict=True))


def _report(
    console: Console, proof: "Verification", json_path: Path | None, png_path: Path | None
) -> None:
    console.print(proof)
    if json_path is not None:
        write_text(json_path, proof.to_json() + "\n")
    if png_path is not None and proof.stem_difference is None:
        console.print("[yellow]no picture: the first convolution couldn't be followed[/]")
    elif png_path is not None:
        proof.write_png(png_path)


def _why(proof: "Verification") -> str:
    """Why nothing is written."""
    if proof.max_difference <= proof.limit:
        return "the proof failed, so nothing is written: images are recognized as other classes"
    relative = " of the largest" if proof.limit < proof.tolerance else ""
    return (
        f"the proof failed, so nothing is written: outputs differ by {proof.max_difference:.2g}, "
        f"of values up to {proof.largest_output:.3g}, and --tolerance is {proof.tolerance:g}"
        f"{relative}{_rounding(proof)}"
    )


def _rounding(proof: "Verification") -> str:
    """What takes outputs that differ by rounding alone, such as boxes in pixels."""
    if proof.rounding is None:
        return ""
    if proof.enough is None:
        return f". Rounding explains {proof.rounding:.2g} at most"
    return f". Rounding explains up to {proof.rounding:.2g}: --tolerance {proof.enough:g}"


def _fits(options: Options) -> str:
    if options.offset == "plane":
        return "the network that graytorgb.models.adapt makes, whose stem pads with zeros"
    return "a stem of one channel, and are exact where it doesn't pad with zeros"


def _input(options: Options) -> str:
    """What the adapted network takes."""
    normalized, limits = options.preprocessing["normalized"], options.preprocessing["value_range"]
    if normalized is not None:
        return f"one channel, normalized by {normalized[0]:g} and {normalized[1]:g}"
    mean, std = options.preprocessing["mean"], options.preprocessing["std"]
    # an input of integers takes its own, whatever "0..1" is called
    if mean is None or Normalization.of(mean, std, limits).is_identity:
        return "one channel, of the values that the original takes"
    lo, hi = (0, 1) if limits is None else limits
    return f"one channel, from {lo:g} to {hi:g}"
