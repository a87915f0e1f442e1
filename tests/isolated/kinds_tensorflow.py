"""Tests of TensorFlow: eager, in graphs of unknown sizes, and in tf.data."""

from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

import graytorgb as g2r

from ..kinds.kinds_contract import KindContract
from ..support import oracle

# Two devices, before the first tensor
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


class TestEager(KindContract):
    text = "TensorFlow"
    targets: ClassVar = ["float32", "float16", "bfloat16", "uint8"]

    def make(self, array):
        return tf.constant(array)

    def read(self, result):
        return result.numpy()

    def is_kind(self, result):
        return isinstance(result, tf.Tensor)


class TestGraph(TestEager):
    """The contract in a ``tf.function`` that knows only the sizes of axes that can be channels."""

    sees = False
    refuses = tf.errors.InvalidArgumentError

    def run(self, function, array):
        # sizes up to 4, which could be channels, and those of a shape whose layout is inferred
        shape = [n if n <= 4 or inferred(function) else None for n in array.shape]
        ranks = []

        def call(x):
            result = function(x)
            ranks.append(result.shape.rank)
            return result

        spec = tf.TensorSpec(shape, tf.as_dtype(array.dtype))
        result = tf.function(call, input_signature=[spec])(self.make(array))
        assert ranks == [result.shape.rank]
        return self.read(result)


def inferred(function):
    """Return whether a call of the contract leaves the layout to be inferred."""
    return function is g2r.to_rgb


def photos():
    """Write twenty PNG files."""
    rng = np.random.default_rng(0)
    return [tf.io.encode_png(rng.integers(0, 256, (28, 28, 1), dtype=np.uint8)) for _ in range(20)]


class TestData:
    """The contract in ``tf.data``, which runs its functions as graphs in parallel."""

    def test_files_to_prepared_batches(self):
        mean, std = g2r.stats("imagenet")

        def load(content):
            image = tf.io.decode_png(content, channels=1)  # (None, None, 1)
            return g2r.to_rgb(image, "HWC"), g2r.prepare(image, (mean, std), "HWC")

        files = photos()
        data = tf.data.Dataset.from_tensor_slices(files)
        data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(8)
        assert data.element_spec[0].shape.as_list() == [None, None, None, 3]
        gray = np.stack([tf.io.decode_png(f).numpy() for f in files])
        rgb = np.concatenate([batch.numpy() for batch, _ in data])
        assert rgb.tobytes() == g2r.to_rgb(gray, "NHWC").tobytes()
        prepared = np.concatenate([batch.numpy() for _, batch in data])
        assert np.abs(prepared - g2r.prepare(gray, (mean, std), "NHWC")).max() <= 1e-6

    def test_batches_whose_last_is_smaller(self):
        deep = np.random.default_rng(0).integers(0, 4096, (21, 8, 9), dtype=np.uint16)
        data = tf.data.Dataset.from_tensor_slices(deep).batch(8)
        data = data.map(
            lambda x: g2r.to_rgb(g2r.to_uint8(x, (0, 4095)), "NHW->NCHW"),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        result = np.concatenate(list(data.as_numpy_iterator()))
        assert result.tobytes() == g2r.to_rgb(g2r.to_uint8(deep, (0, 4095)), "NHW->NCHW").tobytes()

    def test_nan_stops_it(self):
        data = tf.data.Dataset.from_tensor_slices(np.full((4, 2, 2), np.nan, np.float32))
        data = data.map(lambda x: g2r.to_uint8(x, (0, 1)), num_parallel_calls=tf.data.AUTOTUNE)
        with pytest.raises(tf.errors.InvalidArgumentError, match="a value is NaN"):
            list(data)

    def test_a_range_for_each_image_by_numpy(self):
        """The call that the error about "minmax" in a graph names works."""
        deep = np.random.default_rng(0).integers(0, 4096, (3, 8, 9), dtype=np.uint16)

        def scale(image):
            gray = tf.numpy_function(lambda x: g2r.to_uint8(x, "minmax"), [image], tf.uint8)
            return tf.ensure_shape(gray, image.shape)

        data = tf.data.Dataset.from_tensor_slices(deep).map(scale)
        for result, image in zip(data, deep, strict=True):
            assert (result.numpy() == g2r.to_uint8(image, "minmax")).all()


class TestShapes:
    def test_what_is_known_stays_known(self):
        shapes = []

        @tf.function(input_signature=[tf.TensorSpec([None, 224, 224], tf.float32)])
        def call(x):
            shapes.append(g2r.to_rgb(x, "NHW->NCHW").shape.as_list())
            shapes.append(g2r.prepare(x, (0.5, 0.5), "NHW->NHWC").shape.as_list())
            return x

        call.get_concrete_function()
        assert shapes == [[None, 3, 224, 224], [None, 224, 224, 3]]

    @pytest.mark.parametrize(
        ("shape", "says"),
        [
            ((None, None, None), "axis 0 and 2.*HWC"),
            ((None, None, 1), 'axis 0 here.*to_rgb\\(x, "HWC"\\)'),
            ((None, None, None, 1), 'axis 1 here.*to_rgb\\(x, "NHWC"\\)'),
            ((1, 28, 28, None), "axis 3 here"),
        ],
    )
    def test_a_size_that_would_tell_the_layout(self, shape, says):
        with pytest.raises(g2r.LayoutError, match=says):
            tf.function(g2r.to_rgb, input_signature=[tf.TensorSpec(shape, tf.uint8)])(
                tf.zeros([n or 1 for n in shape], tf.uint8)
            )

    def test_enough_is_known(self):
        spec = [tf.TensorSpec((None, 28, None, 1), tf.uint8)]
        call = tf.function(g2r.to_rgb, input_signature=spec)
        assert call(tf.zeros((4, 28, 9, 1), tf.uint8)).shape == (4, 28, 9, 3)
        flat = tf.function(g2r.to_rgb, input_signature=[tf.TensorSpec((None, None), tf.uint8)])
        assert flat(tf.zeros((5, 6), tf.uint8)).shape == (5, 6, 3)

    @pytest.mark.parametrize("shape", [(None, None, None), None], ids=["channels", "axes"])
    @pytest.mark.parametrize("layout", ["HWC", "HWC->CHW"])
    def test_a_number_of_channels_that_is_not_known(self, shape, layout):
        """The number of channels isn't known, as after decode_png without channels."""
        calls = {
            "to_rgb": lambda x: g2r.to_rgb(x, layout),
            "prepare": lambda x: g2r.prepare(x, "imagenet", layout),
        }
        for name, call in calls.items():
            spec = [tf.TensorSpec(shape, tf.uint8)]
            graph = tf.function(call, input_signature=spec)
            known = graph.get_concrete_function().output_shapes.as_list()
            assert known == ([3, None, None] if layout == "HWC->CHW" else [None, None, 3])
            for channels in (1, 3):
                x = np.random.default_rng(0).integers(0, 256, (5, 6, channels), dtype=np.uint8)
                result, want = graph(x).numpy(), call(x)
                assert result.dtype == want.dtype
                assert np.abs(result - want).max() <= (0 if name == "to_rgb" else 1e-6)
            with pytest.raises(tf.errors.InvalidArgumentError, match="1 or 3 channels become RGB"):
                graph(tf.zeros((5, 6, 4), tf.uint8))

    def test_a_number_of_axes_that_is_not_known(self):
        spec = [tf.TensorSpec(None, tf.uint8)]  # as of decode_image and numpy_function
        verbs = (g2r.to_rgb, lambda x: g2r.prepare(x, (0.5, 0.5)))
        for verb in verbs:
            with pytest.raises(
                g2r.LayoutError, match=r'say the layout, to_rgb\(x, "HWC"\), or tf.ensure_shape'
            ):
                tf.function(verb, input_signature=spec)(tf.zeros((5, 6), tf.uint8))

    @pytest.mark.parametrize(
        ("layout", "shape"),
        [("HW", (5, 6)), ("NHW->NCHW", (2, 5, 6)), ("HWC", (5, 6, 1)), ("NCHW", (2, 3, 5, 6))],
    )
    def test_a_layout_counts_the_axes(self, layout, shape):
        x = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)

        def load(i):
            image = tf.py_function(lambda i: x, [i], tf.uint16)
            assert image.shape.rank is None
            stated = {"value_range": "dtype"}
            rgb = g2r.to_rgb(image, layout)
            return rgb, g2r.to_uint8(image, "dtype"), g2r.prepare(image, (0, 1), layout, **stated)

        data = tf.data.Dataset.range(2).map(load, num_parallel_calls=tf.data.AUTOTUNE)
        ranks = {data.element_spec[i].shape.rank for i in (0, 2)}
        assert ranks == {g2r.to_rgb(x, layout).ndim}
        for rgb, levels, prepared in data:
            assert rgb.numpy().tobytes() == g2r.to_rgb(x, layout).tobytes()
            assert levels.numpy().tobytes() == g2r.to_uint8(x, "dtype").tobytes()
            wanted = g2r.prepare(x, (0, 1), layout, value_range="dtype")
            assert np.abs(prepared.numpy() - wanted).max() <= 1e-6

    def test_a_layout_of_other_axes_than_there_are(self):
        call = tf.function(lambda x: g2r.to_rgb(x, "HW"), input_signature=[tf.TensorSpec(None)])
        with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible"):
            call(tf.zeros((2, 5, 6)))

    def test_files_that_decode_image_reads(self):
        files = photos()

        def load(content):
            return g2r.to_rgb(tf.io.decode_image(content), "HWC")

        data = tf.data.Dataset.from_tensor_slices(files).map(load)
        for rgb, file in zip(data, files, strict=True):
            gray = tf.io.decode_png(file).numpy()
            assert rgb.numpy().tobytes() == g2r.to_rgb(gray).tobytes()


class TestOtherObjects:
    def test_variables(self):
        x = tf.Variable(np.arange(30, dtype=np.float32).reshape(5, 6))
        assert (g2r.to_rgb(x).numpy() == x.numpy()[..., None]).all()

    def test_ragged_and_sparse(self):
        ragged = tf.ragged.constant([[1, 2], [3]])
        sparse = tf.sparse.from_dense([[1, 0], [0, 2]])
        for x in (ragged, sparse):
            with pytest.raises(
                g2r.DtypeError, match=rf"a {type(x).__name__} .*x.to_tensor.*to_dense"
            ):
                g2r.to_rgb(x)

    def test_strings(self):
        with pytest.raises(g2r.DtypeError, match=r"not string: tf.io.decode_png"):
            g2r.to_rgb(tf.constant([["a", "b"], ["c", "d"]]))


class TestGradients:
    def test_summed_over_the_channels(self):
        weight = tf.random.normal((2, 3, 4, 5))
        x = tf.random.normal((2, 1, 4, 5))
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(g2r.to_rgb(x) * weight)
        np.testing.assert_allclose(
            tape.gradient(total, x), tf.reduce_sum(weight, 1, keepdims=True), rtol=1e-5, atol=1e-6
        )

    def test_of_prepare(self):
        mean, std = g2r.stats("imagenet")
        x = tf.random.uniform((2, 4, 5))
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(g2r.prepare(x, (mean, std), "NHW"))
        np.testing.assert_allclose(tape.gradient(total, x), sum(1 / s for s in std), rtol=1e-5)


def test_the_result_is_on_the_device_of_the_input():
    with tf.device("CPU:1"):
        x = tf.constant(np.zeros((2, 5, 6), np.uint8))
    for result in (
        g2r.to_rgb(x, "NHW"),
        g2r.to_uint8(x, (0, 9)),
        g2r.prepare(x, (0.5, 0.5), "NHW"),
    ):
        assert result.device == x.device
        assert result.device.endswith("CPU:1")


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_by_xla(jit):
    x = np.random.default_rng(0).random((4, 8, 9), dtype=np.float32)

    @tf.function(jit_compile=jit)
    def call(x):
        rgb = g2r.to_rgb(x, "NHW->NCHW")
        return rgb, g2r.to_uint8(rgb, (0.1, 0.9)), g2r.prepare(rgb, (0.5, 0.25), "NCHW")

    rgb, levels, prepared = (t.numpy() for t in call(x))
    assert rgb.tobytes() == oracle(x, "NHW->NCHW").tobytes()
    assert (levels == g2r.to_uint8(rgb, (0.1, 0.9))).all()
    assert np.abs(prepared - g2r.prepare(rgb, (0.5, 0.25), "NCHW")).max() <= 1e-6


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
@pytest.mark.parametrize("layout", ["NHW->NHWC", "NHWC->NHWC"])
@pytest.mark.parametrize(("dtype", "stated"), [("uint8", None), ("float32", (0, 255))])
def test_prepare_in_tflite(dtype, stated, layout):
    """Tests of TFLite models, which run on phones and have no arithmetic in float64."""
    mean, std = g2r.stats("imagenet")
    x = np.arange(256, dtype=dtype).reshape(1, 16, 16)
    x = x[..., None] if "C" in layout[:4] else x
    call = tf.function(
        lambda x: g2r.prepare(x, (mean, std), layout, value_range=stated),
        input_signature=[tf.TensorSpec((None, *x.shape[1:]), dtype)],
    )
    content = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
    interpreter = tf.lite.Interpreter(model_content=content.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    assert np.abs(result - g2r.prepare(x, (mean, std), layout, value_range=stated)).max() <= 1e-6


def test_vectorized_map():
    x = np.random.default_rng(0).integers(0, 256, (4, 8, 9), dtype=np.uint8)
    result = tf.vectorized_map(lambda image: g2r.to_rgb(image, "HW->CHW"), tf.constant(x))
    assert result.numpy().tobytes() == oracle(x, "NHW->NCHW").tobytes()


def test_saved_models(tmp_path):
    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, None, None), tf.uint16)])
        def __call__(self, x):
            return g2r.to_rgb(g2r.to_uint8(x, (0, 4095)), "NHW")

    x = np.random.default_rng(0).integers(0, 4096, (4, 8, 9), dtype=np.uint16)
    tf.saved_model.save(Module(), str(tmp_path))
    result = tf.saved_model.load(str(tmp_path))(x)
    assert result.numpy().tobytes() == g2r.to_rgb(g2r.to_uint8(x, (0, 4095)), "NHW").tobytes()
