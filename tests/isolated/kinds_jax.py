"""Tests of JAX's arrays: eager, traced and sharded. XLA pretends to have two devices."""

from typing import ClassVar

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import graytorgb as g2r

from ..kinds.held import FLOATS, INTEGERS, OTHERS
from ..kinds.kinds_contract import KindContract

WIDE = ["float64", "complex128", "int64", "uint64"]


def had(names):
    """Return the dtypes to test: with JAX_ENABLE_X64 those that need it, else the others."""
    return [n for n in names if (n in WIDE) == jax.config.jax_enable_x64]


class TestEager(KindContract):
    """The contract with fewer layouts for each dtype, because JAX compiles each operation too."""

    text = "JAX"
    layouts: ClassVar = ["HW->HWC", "NHW->NCHW", "HWN->NCHW", "NTHW->NCTHW"]
    dtypes: ClassVar = had(INTEGERS + FLOATS + OTHERS)
    levels: ClassVar = had(INTEGERS + FLOATS)
    targets: ClassVar = ["float32", "float16", "bfloat16", "uint8"]

    def make(self, array):
        return jnp.asarray(array)

    def read(self, result):
        return np.asarray(result)

    def is_kind(self, result):
        return isinstance(result, jax.Array)


class Traced(TestEager):
    """The contract under jit, with fewer calls, because each of them is compiled."""

    sees = False
    layouts: ClassVar = ["HW->HWC", "HWN->NCHW", "NTHW->NTCHW"]
    gray_layouts: ClassVar = ["HWC->HW", "NCHW->NHWC", "HWCN->NWH"]
    ranges: ClassVar = [(0, 4095), (0.1, 0.7), "dtype"]


class TestJit(Traced):
    refuses = jax.errors.JaxRuntimeError

    def run(self, function, array):
        return self.read(jax.jit(function)(self.make(array)))


class TestVmap(Traced):
    """The contract under vmap, which adds an axis in front that no layout names.

    It batches the operations that TestJit runs for every dtype with every range, so one range for
    each dtype is enough here.
    """

    in_turn = True

    def run(self, function, array):
        batch = self.make(np.stack([array, array]))
        first, second = self.read(jax.vmap(function)(batch))
        assert first.tobytes() == second.tobytes()
        return first


class TestGradients:
    def test_summed_over_the_channels(self):
        weight = jax.random.normal(jax.random.key(0), (2, 3, 4, 5))
        x = jnp.ones((2, 1, 4, 5))
        for wrap in (lambda f: f, jax.jit):
            slope = jax.grad(wrap(lambda x: (g2r.to_rgb(x) * weight).sum()))(x)
            np.testing.assert_allclose(slope, weight.sum(1, keepdims=True), rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("value_range", [None, (0, 1)])
    def test_of_prepare(self, value_range):
        mean, std = g2r.stats("imagenet")

        def total(x):
            return g2r.prepare(x, (mean, std), "NHW", value_range=value_range).sum()

        slope = jax.jit(jax.grad(total))(jnp.full((2, 4, 5), 0.25))
        np.testing.assert_allclose(slope, sum(1 / s for s in std), rtol=1e-5)

    def test_forward_mode(self):
        x, tangent = jnp.ones((4, 5)), jnp.arange(20.0).reshape(4, 5)
        _, moved = jax.jvp(g2r.to_rgb, (x,), (tangent,))
        assert (moved == tangent[..., None]).all()


class TestSharded:
    """The contract for a batch that is sharded over two devices, in both ways that JAX has."""

    verbs: ClassVar = {
        "to_rgb": lambda x: g2r.to_rgb(x, "NHW->NHWC"),
        "planar": lambda x: g2r.to_rgb(x, "NHW->NCHW"),
        "a channel": lambda x: g2r.to_rgb(x[..., None], "NHWC->NCHW"),
        "rgb": lambda x: g2r.to_rgb(g2r.to_rgb(x, "NHW"), "NHWC->NCHW"),
        "table": lambda x: g2r.to_uint8(x, (0, 4095)),
        "steps": lambda x: g2r.to_uint8(x.astype(jnp.float32), (0, 4095)),
        "prepare": lambda x: g2r.prepare(x, (0.5, 0.25), "NHW->NCHW", value_range=(0, 4095)),
        "checked": lambda x: g2r.prepare(x.astype(jnp.float32) / 65536, (0.5, 0.25), "NHW"),
        "minmax": lambda x: g2r.to_uint8(x, "minmax"),
    }

    @pytest.mark.filterwarnings("ignore:more than half of an image is above")
    @pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit])
    @pytest.mark.parametrize("jit", [False, True])
    @pytest.mark.parametrize("verb", verbs)
    def test_stays_where_it_is(self, verb, jit, kind):
        call = self.verbs[verb]
        x = jnp.asarray(np.random.default_rng(0).integers(0, 65536, (8, 6, 7), dtype=np.uint16))
        want = call(x)
        if jit and verb == "minmax":
            return
        mesh = jax.make_mesh((2,), ("batch",), axis_types=(kind,))
        sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("batch")))
        result = (jax.jit(call) if jit else call)(sharded)
        assert np.asarray(result).tobytes() == np.asarray(want).tobytes()
        assert len(result.addressable_shards) == 2
        assert {s.data.shape for s in result.addressable_shards} == {(4, *want.shape[1:])}


def test_another_device():
    x = jax.device_put(jnp.zeros((2, 5, 6), jnp.uint8), jax.devices()[1])
    for result in (
        g2r.to_rgb(x, "NHW"),
        g2r.to_uint8(x, (0, 9)),
        g2r.prepare(x, (0.5, 0.5), "NHW"),
    ):
        assert result.devices() == {jax.devices()[1]}


def test_a_copy_survives_the_donation_of_its_input():
    rgb = jnp.ones((5, 6, 3))
    copied = g2r.to_rgb(rgb, "HWC")
    assert copied.unsafe_buffer_pointer() != rgb.unsafe_buffer_pointer()
    rgb.delete()
    assert copied.sum() == 90


def test_export_with_sizes_that_are_symbols():
    sizes = jax.export.symbolic_shape("n, h, w")
    spec = jax.ShapeDtypeStruct(sizes, jnp.uint16)

    def call(x):
        return g2r.prepare(g2r.to_uint8(x, (0, 4095)), (0.5, 0.25), "NHW->NCHW")

    exported = jax.export.export(jax.jit(call))(spec)
    x = np.random.default_rng(0).integers(0, 4096, (4, 5, 6), dtype=np.uint16)
    assert np.array_equal(exported.call(x), call(jnp.asarray(x)))
    with pytest.raises(g2r.LayoutError, match="size of axis 0 and 2 here"):
        jax.export.export(jax.jit(g2r.to_rgb))(spec)


def test_numbers_that_numpy_lacks():
    x = jnp.ones((5, 6), jnp.int4)
    assert g2r.to_rgb(x).dtype == jnp.int4
    for call in (
        lambda x: g2r.to_uint8(x, (0, 7)),
        lambda x: g2r.prepare(x, (0.5, 0.5), value_range=(0, 7)),
    ):
        with pytest.raises(g2r.DtypeError, match=r"numpy has no int4: .* int8"):
            call(x)
        call(x.astype(jnp.int8))


def test_ends_of_a_range_are_numbers():
    x = jnp.linspace(0, 1, 30).reshape(5, 6)
    with pytest.raises(g2r.LevelsError, match=r'not arrays.*float\(x.min\(\)\), or "minmax"'):
        g2r.to_uint8(x, (x.min(), x.max()))
    told = g2r.to_uint8(x, (float(x.min()), float(x.max())))
    assert (told == g2r.to_uint8(x, "minmax")).all()


def test_keys_are_no_images():
    with pytest.raises(g2r.DtypeError, match="numbers or bool"):
        g2r.to_rgb(jax.random.split(jax.random.key(0), (4, 5)))
