"""Make the tables of the guide that the package itself fills: kinds of array, backends, files.

``python docs/tables.py tensorflow`` prints the rows of the kinds that need TensorFlow, as JSON.
TensorFlow and torch crash in one process, so the kinds of each library are tried in a process of
their own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import graytorgb as g2r
from graytorgb.backends.table import BUILT_IN
from graytorgb.extras import EXTRAS
from graytorgb.kinds import KINDS

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


def write(rows: list[dict[str, str]], path: Path) -> None:
    """Write rows as a table in Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    path.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines))


if __name__ == "__main__":
    print(json.dumps([probe(held) for held in GROUPS[sys.argv[1]]()]))
