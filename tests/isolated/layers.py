"""Tests of the Keras layers, on the backend that KERAS_BACKEND names."""

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import PIL.Image
import pytest

import graytorgb as g2r
from graytorgb.core.image_file import ImageFile
from graytorgb.layers import Prepare, ToRGB

from ..support import needs_package, oracle
from . import hide_tensorflow

# Keras' own way from a torch tensor to numpy
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

BACKEND = keras.backend.backend()
if BACKEND == "torch":
    hide_tensorflow()
GRAY = np.random.default_rng(0).integers(0, 256, (4, 32, 48, 1), dtype=np.uint8)
IMAGENET = g2r.stats("imagenet")


def values(result):
    return keras.ops.convert_to_numpy(result)


def same(result, expected):
    result = values(result)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    assert result.tobytes() == expected.tobytes()


def rgb(gray=GRAY, target="NHWC"):
    return oracle(gray[..., 0], f"NHW->{target}")


def saved(model, tmp_path):
    path = tmp_path / "model.keras"
    model.save(path)
    return keras.models.load_model(path)


def test_the_backend_is_the_one_asked_for():
    assert os.environ["KERAS_BACKEND"] == BACKEND


class TestToRGB:
    @pytest.mark.parametrize(
        "dtype", ["uint8", "uint16", "int32", "float16", "bfloat16", "float32"]
    )
    @pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
    def test_values_and_dtype_never_change(self, dtype, policy):
        x = keras.ops.cast(GRAY, dtype)  # uint16 is int32 in Keras on torch
        result = ToRGB(dtype=policy)(x)
        assert result.dtype == x.dtype
        assert (values(keras.ops.cast(result, "float32")) == rgb()).all()

    def test_under_a_global_policy(self):
        keras.config.set_dtype_policy("mixed_float16")
        try:
            x = np.float32(GRAY) + np.float32(1e-4)  # what float16 would round
            same(ToRGB()(x), rgb(x))
        finally:
            keras.config.set_dtype_policy("float32")

    @pytest.mark.parametrize("how", ["functional", "sequential", "subclass"])
    @pytest.mark.parametrize("size", [(32, 48), (None, None)], ids=["fixed", "any"])
    def test_models(self, how, size, tmp_path):
        if how == "functional":
            gray = keras.Input((*size, 1), dtype="uint8")
            model = keras.Model(gray, ToRGB()(gray))
        elif how == "sequential":
            model = keras.Sequential([keras.Input((*size, 1), dtype="uint8"), ToRGB()])
        else:

            class Model(keras.Model):
                def __init__(self):
                    super().__init__()
                    self.rgb = ToRGB()

                def call(self, x):
                    return self.rgb(x)

            same(Model().predict(GRAY, verbose=0), rgb())
            return
        assert model.output_shape == (None, *size, 3)
        same(model.predict(GRAY, batch_size=3, verbose=0), rgb())
        again = saved(model, tmp_path)
        assert again.layers[-1].get_config() == model.layers[-1].get_config()
        same(again.predict(GRAY, verbose=0), rgb())

    def test_it_replaces_concatenate(self):
        """The usual answer of forums and ToRGB give the same in one model."""
        gray = keras.Input((32, 48, 1))
        theirs = keras.layers.Concatenate()([gray, gray, gray])
        model = keras.Model(gray, [theirs, ToRGB()(gray)])
        both = model.predict(np.float32(GRAY), verbose=0)
        assert (both[0] == both[1]).all()

    @pytest.mark.parametrize("data_format", ["channels_first", "channels_last", None])
    def test_data_formats(self, data_format, tmp_path):
        first = data_format == "channels_first"
        shape = (1, 32, 48) if first else (32, 48, 1)
        x = GRAY.transpose(0, 3, 1, 2) if first else GRAY
        gray = keras.Input(shape, dtype="uint8")
        model = keras.Model(gray, ToRGB(data_format=data_format)(gray))
        same(model.predict(x, verbose=0), rgb(target="NCHW" if first else "NHWC"))
        same(saved(model, tmp_path).predict(x, verbose=0), values(model(x)))

    def test_keras_own_setting_is_kept_in_the_file(self, tmp_path):
        keras.config.set_image_data_format("channels_first")
        try:
            model = keras.Sequential([keras.Input((1, 32, 48), dtype="uint8"), ToRGB()])
            model.save(tmp_path / "m.keras")
        finally:
            keras.config.set_image_data_format("channels_last")
        again = keras.models.load_model(tmp_path / "m.keras")
        same(again.predict(GRAY.transpose(0, 3, 1, 2), verbose=0), rgb(target="NCHW"))

    def test_without_a_channel_axis(self):
        """Batches of shape (64, 224, 224) fit a model that takes (64, 224, 224, 3)."""
        x = np.random.default_rng(0).integers(0, 256, (64, 224, 224), dtype=np.uint8)
        gray = keras.Input((224, 224), dtype="uint8")
        model = keras.Model(gray, ToRGB()(gray))
        assert model.output_shape == (None, 224, 224, 3)
        same(model.predict(x, batch_size=64, verbose=0), oracle(x, "NHW->NHWC"))

    @pytest.mark.parametrize(
        ("layout", "shape", "result"),
        [
            ("NHW", (4, 5, 1), (4, 5, 1, 3)),
            ("NHW->NCHW", (4, 5, 6), (4, 3, 5, 6)),
            ("HWC", (4, 5, 1), (4, 5, 3)),
            ("NTHW", (2, 4, 5, 6), (2, 4, 5, 6, 3)),
            (None, (2, 4, 5, 6, 1), (2, 4, 5, 6, 3)),
            ("NHWC->NCHW", (2, 4, 5, 1), (2, 3, 4, 5)),
            (None, (2, 4, 5, 3), (2, 4, 5, 3)),
        ],
    )
    def test_layouts(self, layout, shape, result):
        layer = ToRGB(layout)
        assert layer.compute_output_shape(shape) == result
        assert tuple(layer(np.zeros(shape, np.uint8)).shape) == result
        assert layer(keras.KerasTensor(shape, dtype="uint8")).shape == result

    @pytest.mark.parametrize(
        ("shape", "options"),
        [
            ((28, 28, 1), {}),  # one image, or 28 of a width of 1
            ((None, 28, 3), {}),
            ((None, 28, None), {}),
            ((None, 28, 28), {"data_format": "channels_first"}),
            ((28, 28), {}),
        ],
    )
    def test_what_could_be_two_is_an_error(self, shape, options):
        with pytest.raises(g2r.LayoutError, match=r'layout="NHW"'):
            ToRGB(**options)(keras.KerasTensor(shape, dtype="uint8"))

    def test_alpha(self):
        x = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 4), dtype=np.uint8)
        same(ToRGB(alpha="drop")(x), np.ascontiguousarray(x[..., :3]))
        for given in (x, keras.KerasTensor((None, 5, 6, 4))):
            with pytest.raises(g2r.ChannelError, match='alpha="drop"'):
                ToRGB()(given)
        with pytest.raises(g2r.ChannelError, match="doesn't composite"):
            ToRGB(alpha=(0, 0, 0))

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"layout": "nhw"}, g2r.LayoutError),
            ({"data_format": "last"}, g2r.LayoutError),
            ({"alpha": "keep"}, g2r.ChannelError),
        ],
    )
    def test_mistakes_are_found_on_construction(self, options, error):
        with pytest.raises(error):
            ToRGB(**options)

    def test_a_list_as_concatenate_takes_it(self):
        for x in (GRAY, keras.Input((32, 48, 1))):
            with pytest.raises(g2r.DtypeError, match=r"one tensor, not a list.*ToRGB\(...\)\(x\)"):
                ToRGB()([x, x, x])

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            (None, "cv2.imread(path) returns None"),
            ("a.png", "not a path, 'a.png': g2r.io.read(path).array[None]"),
            (b"\x89PNG", "g2r.io.decode(data).array[None]"),
            (PIL.Image.new("L", (4, 4)), "np.asarray(image)[None]"),
            (PIL.Image.new("I;16", (4, 4)), "Prepare(stats, value_range=(lo, hi)) in the model"),
            (
                ImageFile("a.png", np.zeros((4, 4)), "HW", (0, 9), "a test", "PNG", "gray"),
                "Prepare(stats, value_range=file.value_range)",
            ),
        ],
    )
    def test_what_is_no_batch(self, given, says):
        for layer in (ToRGB(), Prepare(IMAGENET)):
            with pytest.raises(g2r.DtypeError) as caught:
                layer(given)
            assert f"{type(layer).__name__} takes a batch of images as one" in str(caught.value)
            assert says in str(caught.value)

    @pytest.mark.skipif(BACKEND == "torch", reason="TensorFlow can't be in this process")
    def test_in_tf_data(self):
        """A layer works in tf.data on the JAX backend too, where Keras' own layers do."""
        import tensorflow as tf

        prepare = Prepare(IMAGENET)
        data = tf.data.Dataset.from_tensor_slices(GRAY).batch(3)
        data = data.map(lambda x: (ToRGB()(x), prepare(x)), num_parallel_calls=tf.data.AUTOTUNE)
        result, prepared = (np.concatenate(parts) for parts in zip(*data, strict=True))
        same(result, rgb())
        assert np.abs(prepared - g2r.prepare(GRAY, IMAGENET, "NHWC")).max() <= 1e-6

    def test_gradients_reach_the_input(self):
        """A trainable layer in front of Prepare gets gradients through it."""
        gray = keras.Input((8, 8, 1))
        x = ToRGB()(keras.layers.Conv2D(1, 3, padding="same")(gray))
        model = keras.Model(gray, keras.layers.GlobalAveragePooling2D()(x))
        before = model.get_weights()[0]
        model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        model.fit(np.ones((4, 8, 8, 1), np.float32), np.zeros((4, 3)), verbose=0)
        assert (model.get_weights()[0] != before).any()


class TestPrepare:
    @pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16", "float16"])
    def test_policies(self, policy, tmp_path):
        gray = keras.Input((32, 48, 1), dtype="uint8")
        model = keras.Model(gray, Prepare(IMAGENET, dtype=policy)(gray))
        expected = g2r.prepare(GRAY, IMAGENET, "NHWC")
        for it in (model, saved(model, tmp_path)):
            result = it(GRAY)
            dtype = keras.backend.standardize_dtype(result.dtype)
            assert dtype == policy.removeprefix("mixed_") == it.output.dtype
            tolerance = {"float32": 1e-6, "float16": 2e-3, "bfloat16": 2e-2}[dtype]
            error = values(keras.ops.cast(result, "float32")) - expected
            assert np.abs(error).max() <= tolerance

    @pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
    def test_deep_images_of_any_size(self, data_format, tmp_path):
        first = data_format == "channels_first"
        deep = np.random.default_rng(0).integers(0, 4096, (4, 32, 48, 1), dtype=np.uint16)
        x = deep.transpose(0, 3, 1, 2) if first else deep
        gray = keras.Input((1, None, None) if first else (None, None, 1), dtype="uint16")
        layer = Prepare(IMAGENET, value_range=(0, 4095), data_format=data_format)
        model = keras.Model(gray, layer(gray))
        layout = "NHWC->NCHW" if first else "NHWC"
        expected = g2r.prepare(deep, IMAGENET, layout, value_range=(0, 4095))
        for it in (model, saved(model, tmp_path)):
            result = it.predict(x, verbose=0)
            assert np.abs(result - expected).max() <= 1e-6
        again = Prepare.from_config(layer.get_config())
        assert again.get_config() == layer.get_config()

    @pytest.mark.parametrize("dtype", ["float32", "float16", "uint16", "int32"])
    def test_a_range_that_is_not_stated(self, dtype):
        for given in (GRAY.astype(dtype), keras.KerasTensor((None, 32, 48, 1), dtype=dtype)):
            with pytest.raises(g2r.LevelsError, match=r"value_range=\(0, 255\) for what image_dat"):
                Prepare(IMAGENET)(given)
            with pytest.raises(g2r.LevelsError) as caught:
                Prepare(IMAGENET)(given)
            for choice in ("(lo, hi)", '"dtype"', '"minmax"', '("percentile", p, q)'):
                assert choice in str(caught.value)

    @pytest.mark.parametrize(
        ("arguments", "options", "error"),
        [
            (IMAGENET, {"value_range": "minmax"}, g2r.LevelsError),
            (IMAGENET, {"value_range": ("percentile", 1, 99)}, g2r.LevelsError),
            (IMAGENET, {"value_range": (5, 5)}, g2r.LevelsError),
            (IMAGENET, {"dtype": "int8"}, (g2r.DtypeError, ValueError)),
            (((0.5, 0.5), 0.5), {}, g2r.LevelsError),
        ],
    )
    def test_mistakes_are_found_on_construction(self, arguments, options, error):
        with pytest.raises(error):
            Prepare(arguments, **options)

    @pytest.mark.skipif(BACKEND == "jax", reason="JAX has no float64 without jax_enable_x64")
    @pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int32"])
    def test_a_float64_policy_is_exact_to_it(self, dtype, tmp_path):
        gray = keras.Input((32, 48, 1), dtype=dtype)
        model = keras.Model(gray, Prepare(IMAGENET, value_range=(0, 255), dtype="float64")(gray))
        x = GRAY.astype(dtype)
        exact = (x.astype(np.float64) / 255 - np.array(IMAGENET[0])) / np.array(IMAGENET[1])
        for it in (model, saved(model, tmp_path)):
            result = values(it(x))
            assert result.dtype == it.output.dtype == "float64"
            np.testing.assert_allclose(result, exact, rtol=0, atol=1e-14)

    @pytest.mark.skipif(BACKEND != "jax", reason="the others have float64")
    def test_a_float64_policy_where_jax_has_none(self):
        with pytest.raises(g2r.DtypeError, match="jax_enable_x64"):
            Prepare(IMAGENET, dtype="float64")(GRAY)

    @pytest.mark.parametrize("value_range", [(0, 4095), (-1024, 200)])
    def test_8_bits_under_a_range_of_more(self, value_range):
        layer = Prepare(IMAGENET, value_range=value_range)
        for given in (GRAY, keras.KerasTensor((None, 32, 48, 1), dtype="uint8")):
            with pytest.raises(g2r.LevelsError, match="lost when it was opened"):
                layer(given)

    @pytest.mark.parametrize("value_range", [None, (0, 255), (0, 4095)])
    def test_bool_is_black_and_white(self, value_range):
        gray = keras.Input((32, 48, 1), dtype="bool")
        model = keras.Model(gray, Prepare((0.5, 0.25), value_range=value_range)(gray))
        mask = GRAY > 100
        expected = np.repeat(np.where(mask, 2, -2), 3, -1).astype(np.float32)
        same(model(mask), expected)

    def test_floats_beyond_0_to_1_under_dtype(self):
        layer = Prepare(IMAGENET, value_range="dtype")
        with pytest.raises(g2r.LevelsError, match="unless you say their range"):
            layer(GRAY.astype(np.float32))
        overshot = np.float32([[[[-(2**-10)], [1 + 2**-10]]]])
        assert np.abs(values(layer(overshot)) - values(layer(overshot.clip(0, 1)))).max() <= 1e-6

    def test_a_range_that_float64_cannot_scale(self):
        for value_range in ((-1e308, 1e308), (0, 5e-324)):
            with pytest.raises(g2r.LevelsError, match="float64 can't scale"):
                Prepare(IMAGENET, value_range=value_range)(GRAY.astype(np.float32))

    def test_channels(self):
        with pytest.raises(g2r.ChannelError):
            Prepare(IMAGENET)(np.zeros((2, 5, 6, 4), np.uint8))


@pytest.mark.parametrize("layer", [ToRGB(), Prepare(IMAGENET, value_range=(0, 255))], ids=str)
def test_a_mask_goes_through(layer):
    """A mask for the padding among a video's frames passes through the layers."""
    video = keras.Input((5, 8, 9, 1), dtype="float32")

    class Padding(keras.layers.Layer):
        """A layer that leaves the frames as they are, and masks those that are zero."""

        def call(self, x):
            return x

        def compute_mask(self, x, mask=None):
            return keras.ops.any(x != 0, axis=(2, 3, 4))

    rgb = layer(Padding()(video))
    pooled = keras.layers.TimeDistributed(keras.layers.GlobalAveragePooling2D())(rgb)
    model = keras.Model(video, keras.layers.GlobalAveragePooling1D()(pooled))
    x = np.random.default_rng(0).uniform(1, 255, (2, 5, 8, 9, 1)).astype(np.float32)
    x[1, 3:] = 0
    frames = values(layer(x)).mean((2, 3))
    expected = np.stack([frames[0].mean(0), frames[1, :3].mean(0)])
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(BACKEND == "torch", reason="TensorFlow can't be in this process")
@pytest.mark.parametrize("layout", ["NHW", "NHWC"])
def test_axes_that_tf_data_does_not_count(layout):
    import tensorflow as tf

    gray = GRAY if layout == "NHWC" else GRAY[..., 0]
    layers = ToRGB(layout), Prepare(IMAGENET, layout=layout)

    def load(i):
        images = tf.py_function(lambda i: gray, [i], tf.uint8)
        return [layer(images) for layer in layers]

    for result, prepared in tf.data.Dataset.range(1).map(lambda i: tuple(load(i))):
        assert result.numpy().tobytes() == rgb().tobytes()
        assert np.abs(prepared - g2r.prepare(GRAY, IMAGENET, "NHWC")).max() <= 1e-6
    with pytest.raises(g2r.LayoutError, match="the number of axes isn't known"):
        tf.data.Dataset.range(1).map(
            lambda i: ToRGB()(tf.py_function(lambda i: gray, [i], tf.uint8))
        )


def write_folder(root):
    """Write gray photos of scikit-image and MNIST digits of foolbox as PNG files in two classes."""
    from importlib.metadata import files

    from skimage import data

    for name in ("camera", "coins", "moon", "page"):
        (root / "photo").mkdir(exist_ok=True)
        PIL.Image.fromarray(getattr(data, name)()).convert("L").save(root / "photo" / f"{name}.png")
    (root / "digit").mkdir()
    for file in files("foolbox"):
        if file.name.startswith("mnist_"):
            PIL.Image.open(file.locate()).convert("L").save(root / "digit" / file.name)


def load(root):
    """Return the images as Keras reads them, with their labels, or TensorFlow's dataset of them."""
    if BACKEND == "torch":  # beside which TensorFlow can't be, so that Keras can't read folders
        files = sorted(root.rglob("*.png"))
        images = [PIL.Image.open(file).resize((64, 64)) for file in files]
        labels = np.array([file.parent.name == "photo" for file in files], np.int32)
        return np.stack(images)[..., None].astype(np.float32), labels, None
    dataset = keras.utils.image_dataset_from_directory(
        root, color_mode="grayscale", image_size=(64, 64), batch_size=64, seed=0, shuffle=False
    )
    return np.concatenate([x.numpy() for x, _ in dataset]), None, dataset


def test_a_gray_folder_into_an_application_model(tmp_path):
    """Images of shape (N, 64, 64) train a model that takes (N, 64, 64, 3).

    JAX and TensorFlow take seconds to compile a whole network, so they get the first layers.
    """
    needs_package("skimage", "foolbox")
    (tmp_path / "data").mkdir()
    write_folder(tmp_path / "data")
    images, labels, dataset = load(tmp_path / "data")
    core = keras.applications.MobileNet(
        input_shape=(64, 64, 3), alpha=0.25, weights=None, classes=2
    )
    if BACKEND != "torch":
        x = keras.layers.GlobalAveragePooling2D()(core.layers[16].output)
        core = keras.Model(core.input, keras.layers.Dense(2, activation="softmax")(x))
    gray = keras.Input((64, 64, 1))
    prepared = Prepare("-1..1", value_range=(0, 255))(gray)
    model = keras.Model(gray, core(prepared))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    model.fit(dataset if dataset is not None else images, labels, shuffle=False, verbose=0)
    assert images.shape == (24, 64, 64, 1)
    theirs = keras.applications.mobilenet.preprocess_input(np.repeat(images, 3, -1))
    expected = core.predict(theirs, verbose=0)
    again = saved(model, tmp_path)
    for it in (model, again):
        assert np.abs(it.predict(images, verbose=0) - expected).max() <= 1e-5
    flat = keras.Input((64, 64))  # a batch without a channel axis
    short = keras.Model(flat, core(Prepare((0.5, 0.5), value_range=(0, 255))(flat)))
    assert np.abs(short.predict(images[..., 0], verbose=0) - expected).max() <= 1e-5


@pytest.mark.parametrize(
    ("mode", "name"), [("caffe", "caffe"), ("tf", "-1..1"), ("torch", "imagenet")]
)
def test_what_applications_do_to_their_images(mode, name):
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16)
    color = np.repeat(levels[..., None], 3, -1).astype(np.float32)
    theirs = keras.applications.imagenet_utils.preprocess_input(
        color, data_format="channels_last", mode=mode
    )
    ours = g2r.prepare(levels, name, "NHW->NHWC")
    assert np.abs(ours - theirs).max() <= 1e-4


def test_a_keras_tensor_belongs_into_a_model():
    for verb in (g2r.to_rgb, lambda x: g2r.to_uint8(x, (0, 1)), lambda x: g2r.prepare(x, (0, 1))):
        with pytest.raises(g2r.DtypeError, match=r"graytorgb\.layers\.ToRGB"):
            verb(keras.Input((28, 28, 1)))


def test_the_hint_where_keras_is_missing():
    code = "import sys; sys.modules['keras'] = None; import graytorgb.layers"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode
    assert "keras is installed but failed to import" in done.stderr or (
        "pip install 'graytorgb[keras]'" in done.stderr
    )
