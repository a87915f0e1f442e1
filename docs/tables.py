"""Make the tables that the package fills: kinds, backends, files, loaders, findings, coverage.

The build of the documentation makes all of them but the table of kinds, which needs torch,
TensorFlow and JAX. That one is in the repository, and a test compares it with what the code
gives. ``python docs/tables.py kinds`` renews it. TensorFlow and torch crash in one process, so
the kinds of each library are tried in a process of their own: ``python docs/tables.py
tensorflow`` prints the rows of the kinds that need TensorFlow, as JSON.
"""

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

import graytorgb as g2r
from graytorgb.backends.table import BUILT_IN
from graytorgb.datasets.audits.findings import FINDINGS
from graytorgb.extras import EXTRAS
from graytorgb.inspection.loaders import Loss, convert_like, find_losses
from graytorgb.inspection.values import find_values
from graytorgb.kinds import KINDS

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
KINDS_PAGE = Path(__file__).with_name("guide") / "_kinds.md"
GRAY = np.arange(2 * 4 * 5, dtype=np.uint8).reshape(2, 4, 5)


def to_rgb_and_back(x: Any, layout: str | None) -> Any:
    """Return the result of ``to_gray`` for an RGB image of the kind of `x`."""
    if layout is None:
        return g2r.to_gray(g2r.to_rgb(x))
    return g2r.to_gray(g2r.to_rgb(x, f"{layout}->{layout}C"), f"{layout}C->{layout}")


VERBS: dict[str, Callable[..., Any]] = {
    "to_rgb": g2r.to_rgb,
    "to_gray": to_rgb_and_back,
    "to_uint8": lambda x, layout: g2r.to_uint8(x, (0, 40)),
    "prepare": lambda x, layout: g2r.prepare(x, (0.5, 0.5), layout),
}


class Held(NamedTuple):
    """A kind of array that a caller can pass.

    `make` makes an array of this kind from the gray batch; `elsewhere` puts the array on another
    device; `unseen` calls a function on an array that has no values yet, as in a trace, a graph or
    a plan.
    """

    what: str
    module: str  # its file in graytorgb/kinds
    extra: str | None
    make: Callable[[], Any]
    elsewhere: Callable[[Any], Any] | None = None
    unseen: Callable[[Callable[[Any], Any]], Any] | None = None
    layout: str | None = "NHW"


def of_arrays() -> Iterable[Held]:
    """Yield the kinds that can be tried in one process with torch."""
    import array_api_strict
    import dask.array as da
    import torch
    from PIL import Image
    from torch._subclasses import FakeTensorMode
    from torchvision import tv_tensors

    def fake(verb: Callable[[Any], Any], *, requires_grad: bool = False) -> Any:
        with FakeTensorMode():
            return verb(torch.empty(2, 4, 5, requires_grad=requires_grad))

    def fail(block: Any) -> Any:
        raise AssertionError("computed")

    def plan(verb: Callable[[Any], Any]) -> Any:
        return verb(da.from_array(GRAY, chunks=1).map_blocks(fail, meta=GRAY[:0]))

    to_meta = partial(torch.Tensor.to, device="meta")
    gradient = partial(torch.rand, 2, 4, 5, requires_grad=True)
    device1 = array_api_strict.Device("device1")
    yield Held("`numpy.ndarray`, whatever has `__array__`", "numpy", None, lambda: GRAY)
    yield Held("`torch.Tensor`", "torch", "torchvision", lambda: torch.tensor(GRAY), to_meta, fake)
    yield Held(
        "`torch.Tensor` with a gradient", "torch", "torchvision", gradient, to_meta,
        partial(fake, requires_grad=True),
    )  # fmt: skip
    yield Held(  # torch's compiler, without a break in its graph, has no as_subclass of these
        "`tv_tensors.Image`, `Video`", "torch", "torchvision",
        lambda: tv_tensors.Image(GRAY[:1]), lambda x: tv_tensors.wrap(to_meta(x), like=x),
        layout=None,
    )  # fmt: skip
    yield Held("`PIL.Image.Image`", "pil", "pillow", lambda: Image.fromarray(GRAY[0]), layout=None)
    yield Held(
        "`dask.array.Array`", "dask", "dask", lambda: da.from_array(GRAY, chunks=1), unseen=plan
    )
    yield Held(
        "arrays of the array API standard", "array_api", "array-api",
        lambda: array_api_strict.asarray(GRAY), lambda x: x.to_device(device1),
    )  # fmt: skip


def of_table() -> Iterable[Held]:
    """Kinds that need no more than the example in their line of the table of kinds."""
    for line in KINDS:
        if line.example:
            scope = {line.library: import_module(line.library), "x": GRAY}
            import_module(line.module)
            make = partial(eval, line.example, scope)
            yield Held(f"`{line.module}.{line.classes[0]}`", line.file, line.extra or None, make)


def of_jax() -> Iterable[Held]:
    """Yield the kind of JAX, which gets two devices."""
    os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
    import jax

    x = jax.numpy.asarray(GRAY)
    to_other = partial(jax.device_put, device=jax.devices()[1])
    yield Held("`jax.Array`", "jax", "jax", lambda: x, to_other, lambda f: jax.eval_shape(f, x))


def of_tensorflow() -> Iterable[Held]:
    """Yield the kinds of TensorFlow, which gets two devices."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], halves)

    def to_other(x: Any) -> Any:
        with tf.device("CPU:1"):
            return tf.Variable(x) if isinstance(x, tf.Variable) else tf.identity(x)

    def graph(verb: Callable[[Any], Any]) -> Any:
        spec = tf.TensorSpec([None, None, None], tf.uint8)
        return tf.function(verb, autograph=False).get_concrete_function(spec)

    def graph_of_variable(verb: Callable[[Any], Any]) -> Any:
        variable = tf.Variable(GRAY)
        return tf.function(lambda: verb(variable), autograph=False).get_concrete_function()

    make = partial(tf.constant, GRAY)
    yield Held("`tf.Tensor`", "tensorflow", "tensorflow", make, to_other, graph)
    yield Held(
        "`tf.Variable`", "tensorflow", "tensorflow", lambda: tf.Variable(GRAY), to_other,
        graph_of_variable,
    )  # fmt: skip


GROUPS = {"arrays": of_arrays, "table": of_table, "jax": of_jax, "tensorflow": of_tensorflow}


def works(call: Callable[[], Any]) -> bool:
    """Return whether a call succeeds, or False if graytorgb refuses it; raise any other error."""
    try:
        call()
    except g2r.GrayToRGBError:
        return False
    return True


def spoken(names: list[str], every: Iterable[str]) -> str:
    """Return the text of a cell: the names, "all", "all but" one, or "no"."""
    missing = set(every) - set(names)
    if names and len(missing) < 2:
        return " but ".join(["all", *missing])
    return ", ".join(names) or "no"


def probe(held: Held) -> dict[str, str]:
    """Return the row of a kind, found by calling the functions on an array of it."""
    x = held.make()

    def verbs(test: Callable[[Callable[[Any], Any]], bool]) -> str:
        return spoken([n for n, f in VERBS.items() if test(partial(f, layout=held.layout))], VERBS)

    def stays(verb: Callable[[Any], Any]) -> bool:
        there = held.elsewhere(x)
        return works(lambda: verb(there)) and verb(there).device == there.device

    def rgb(**options: Any) -> Callable[[], Any]:
        return lambda: g2r.to_rgb(x, held.layout, **options)

    named = [name for name in BUILT_IN if works(rgb(backend=name))]
    return {
        "you hold": held.what,
        "the result is of that kind": verbs(lambda f: works(lambda: f(x)) and same(x, f(x))),
        "backends by name": spoken(named, BUILT_IN),
        "copy": "yes" if works(rgb(copy=True)) else "no",
        "view": "yes" if works(rgb(copy=False)) else "no",
        "`out=`": "yes" if works(lambda: rgb(out=rgb()())()) else "no",
        "lazy": verbs(lambda f: works(lambda: held.unseen(f))) if held.unseen else "no",
        "on its device": verbs(stays) if held.elsewhere else "host memory",
        "extra": f"`{held.extra}`" if held.extra else "none",
    }


def same(x: Any, result: Any) -> bool:
    """Return whether a result is of the kind of `x`; for a variable it may be a tensor."""
    return type(result) is type(x) or type(x).__name__ == "ResourceVariable"


def kinds() -> list[dict[str, str]]:
    """Return a row for each kind; each group is tried in a process of its own."""
    rows = []
    for group in GROUPS:
        command = [sys.executable, __file__, group]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{command} failed:\n{done.stderr}")
        rows += json.loads(done.stdout.splitlines()[-1])
    return rows


def backends() -> list[dict[str, str]]:
    """Return a row for each of this package's backends."""
    return [
        {
            "backend": f"`{name}`",
            "how": info.how,
            "result": info.result,
            "takes": info.takes,
            "extra": f"`{name}`" if BUILT_IN[name].library in EXTRAS else "none",
        }
        for name, info in g2r.list_backends().items()
        if name in BUILT_IN  # not the backends of other packages
    ]


def files() -> list[dict[str, str]]:
    """Return a row for each file format of ``graytorgb.io.FORMATS``."""
    return [
        {
            "format": name,
            "files": " ".join(entry.suffixes),
            "what is read": entry.holds,
            "pixels by": entry.decoder,
            "extra": "none" if entry.library == "numpy" else f"`{entry.extra}`",
        }
        for name, entry in g2r.io.FORMATS.items()
    ]


def findings() -> list[dict[str, str]]:
    """Return a row for each finding of an audit."""
    return [
        {"finding": f"`{name}`", "what it means": finding.meaning}
        for name, finding in FINDINGS.items()
    ]


LOADER_NAMES = {
    "pillow": "Pillow, ImageFolder",
    "opencv": "OpenCV",
    "torchvision": "torchvision",
    "torchcodec": "TorchCodec",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
}


def write_ramps(folder: Path) -> dict[str, Path]:
    """Write a file of each usual mode and depth, which has every value, and return the paths."""
    import imagecodecs
    import pydicom.data
    import tifffile
    from PIL import Image

    bytes_ = np.arange(256, dtype=np.uint8).reshape(16, 16)
    camera = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    words = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    color, deep_color = np.stack([bytes_] * 3, -1), np.stack([words, words.T, words[::-1]], -1)
    palette = Image.fromarray(bytes_, "P")
    palette.putpalette(np.random.default_rng(0).permutation(color.reshape(-1, 3)).tobytes())
    few = Image.fromarray(bytes_ % 16, "P")
    few.putpalette(color.reshape(-1, 3)[::17].tobytes())
    unit = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
    gray = {"photometric": "minisblack"}

    def tiff(pixels: Any, **options: Any) -> Callable[[Path], Any]:
        return lambda path: tifffile.imwrite(path, pixels, **{**gray, **options})

    def picture(pixels: Any, **options: Any) -> Callable[[Path], Any]:
        return lambda path: Image.fromarray(pixels).save(path, **options)

    def png(pixels: Any) -> Callable[[Path], Any]:
        return lambda path: path.write_bytes(imagecodecs.png_encode(pixels))

    def pgm(pixels: Any) -> Callable[[Path], Any]:
        head = b"P5 %d %d %d\n" % (*pixels.shape[::-1], pixels.max())
        return lambda path: path.write_bytes(head + pixels.astype(">u2").tobytes())

    writers: dict[str, tuple[str, Callable[[Path], Any]]] = {
        "PNG, gray, 1 to 8 bits": (".png", picture(bytes_)),
        "PNG, gray, 12 bits in 16": (".png", png(camera)),
        "PNG, gray, 16 bits": (".png", png(words)),
        "PNG, gray and alpha, 16 bits": (".png", png(np.dstack([words, words]))),
        "PNG, RGB, 16 bits": (".png", png(deep_color)),
        "PNG, palette of 8 bits": (".png", palette.save),
        "PNG, palette of 4 bits": (".png", few.save),
        "JPEG": (".jpg", picture(color, quality=100, subsampling=0)),
        "WebP": (".webp", picture(color, lossless=True)),
        "GIF": (".gif", picture(bytes_)),
        "BMP, gray, 8 bits": (".bmp", picture(bytes_)),
        "BMP, palette of 8 bits": (".bmp", palette.save),
        "PGM, 12 bits": (".pgm", pgm(camera)),
        "TIFF, gray, 1 bit": (".tif", tiff(bytes_ > 127)),
        "TIFF, gray, 8 bits": (".tif", tiff(bytes_)),
        "TIFF, gray, 12 bits in 16": (".tif", tiff(camera)),
        "TIFF, gray, 16 bits": (".tif", tiff(words)),
        "TIFF, gray, 16 bits, 0 is white": (".tif", tiff(words, photometric="miniswhite")),
        "TIFF, gray, signed 16 bits": (".tif", tiff(words.view(np.int16))),
        "TIFF, gray, 32 bits": (".tif", tiff(words.astype(np.uint32) << 16)),
        "TIFF, gray, float32 from 0 to 1": (".tif", tiff(unit)),
        "TIFF, RGB, 16 bits": (".tif", tiff(deep_color, photometric="rgb")),
        "TIFF, JPEG 2000 inside": (".tif", tiff(words >> 8, compression="jpeg2000")),
        ".npy, uint16": (".npy", lambda path: np.save(path, words)),
    }
    paths = {}
    for number, (name, (suffix, write_file)) in enumerate(writers.items()):
        paths[name] = folder / f"{number}{suffix}"
        write_file(paths[name])
    scan = pydicom.data.get_testdata_file("examples_overlay.dcm", download=False)
    return paths | {"DICOM, 12 bits (a scan)": Path(str(scan))}


def loaders() -> list[dict[str, str]]:
    """Return a row for each kind of file: what every loader of `LOADERS` makes of it."""
    rows = []
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of depths that aren't used
        for name, path in write_ramps(Path(folder)).items():
            image = g2r.io.read(path)
            row = {"file": name}
            losses = find_losses(image, find_values(image))
            for loader, loss in losses.items():
                pixels = convert_like(loader, image)
                row[LOADER_NAMES[loader]] = describe(image, loss, pixels)
            rows.append(row)
    return rows


def describe(image: g2r.io.ImageFile, loss: Loss | None, pixels: Any) -> str:
    """Return the text of a cell: how many levels are left, and how many pixels became white."""
    if loss is None:
        return "error"
    if pixels is None:
        return "**no picture**"
    if pixels.shape[-1] == 1 and image.layout == "HWC":
        return "**indices**, no colors"
    if loss.levels_after == 1:
        return "**black**"
    kept = loss.levels_after >= loss.levels_before and not loss.white
    text = f"all {loss.levels_after:,}" if kept else f"**{loss.levels_after:,}**"
    text += f" of {loss.levels_before:,}" * (not kept)
    white = f", **{loss.white:.1%} white**" if loss.white >= 0.01 else ""
    return f"{text}{white}" + ", 16 bits" * (loss.bits_after == 16)


def coverage() -> list[dict[str, str]]:
    """Return a row for each network of ``benchmarks.accuracy.coverage``, from its results."""
    from benchmarks.accuracy.coverage_networks.report import HEADS, make_row
    from benchmarks.accuracy.coverage_networks.results import Result

    document = json.loads((RESULTS / "coverage.json").read_text(encoding="utf-8"))
    rows = []
    for network in document["networks"]:
        cells = dict(zip(HEADS, make_row(Result(**network)), strict=True))
        library, family = cells.pop("library"), cells.pop("family")
        rows.append(cells | {"network": f"**{cells['network']}** <br> {library}, {family}"})
    return rows


def make_markdown(rows: list[dict[str, str]]) -> str:
    """Return rows as a table in Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write_tables(folder: Path) -> None:
    """Write every table that needs no more than the documentation's own packages."""
    for make in (backends, coverage, files, findings, loaders):
        path = folder / f"_{make.__name__}.md"
        path.write_text(make_markdown(make()), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["kinds"]:
        KINDS_PAGE.write_text(make_markdown(kinds()), encoding="utf-8")
    else:
        print(json.dumps([probe(held) for held in GROUPS[sys.argv[1]]()]))
