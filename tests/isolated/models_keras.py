"""Keras networks with one input channel, on the backend that KERAS_BACKEND names."""

import keras
import numpy as np
import pytest
from keras import layers

from graytorgb import ModelError
from graytorgb.models import adapt, verify

from ._networks_keras import (
    BACKEND,
    MEAN,
    STD,
    PlusIfAny,
    assert_same,
    conv,
    filled,
    frozen,
    functional,
    gray,
    planes,
    run,
    saved,
    shared_rescaling,
    small,
)

# name: options, whether it normalizes by itself, side
APPLICATIONS = {
    "MobileNetV3Small": ({}, True, 64),
    "ResNet50": ({}, False, 64),
    "MobileNet": ({"alpha": 0.25}, False, 64),
    "ConvNeXtTiny": ({}, True, 64),
    "EfficientNetB0": ({}, True, 64),
}
# These as far as their first 16 layers, since what follows is of kinds that the others have.
BEGINNINGS = {
    "MobileNetV2": ({"alpha": 0.35}, False, 64),
    "EfficientNetV2B0": ({}, True, 64),
    "ResNet50V2": ({}, False, 64),
    "VGG16": ({"include_top": False}, False, 64),
    "DenseNet121": ({"include_top": False}, False, 65),
    "Xception": ({}, False, 96),
    "InceptionV3": ({"include_top": False, "input_shape": (None, None, 3)}, False, 96),
    "NASNetMobile": ({"include_top": False}, False, 64),
}
# The adapter is the same for each backend, and TensorFlow builds and runs these soonest; JAX
# compiles every operation of every shape anew, 11 s for one of these.
SHARE = {
    "tensorflow": [*APPLICATIONS, *BEGINNINGS],
    "torch": ["MobileNetV3Small", "MobileNet", "VGG16"],
    "jax": ["MobileNet", "MobileNetV2"],
}[BACKEND]
EVERY = 4 if BACKEND == "jax" else 1


@pytest.mark.parametrize("name", SHARE)
def test_applications(name):
    options, normalizes, side = (APPLICATIONS | BEGINNINGS)[name]
    options = {"weights": None, "input_shape": (side, side, 3), "classes": 8, **options}
    if options.get("include_top", True):
        options["classifier_activation"] = None
    else:
        del options["classes"]
    model = getattr(keras.applications, name)(**options)
    if name in BEGINNINGS:
        model = keras.Model(model.input, model.layers[16].output, name=name)
    model = filled(model)
    x = gray(2, side, side, 1)
    if normalizes:  # these take values from 0 to 255
        adapted, x = adapt(model), 255 * x
        expected = run(model, np.repeat(x, 3, -1))
    else:
        adapted = adapt(model, (MEAN, STD))
        expected = run(model, planes(x))
    assert adapted.input_shape == (*model.input_shape[:-1], 1)
    assert adapted.name == model.name
    assert_same(run(adapted, x), expected, 1e-5)
    assert adapted.count_params() < model.count_params()


STEMS = {
    "same": layers.Conv2D(4, 3, padding="same"),
    "same, strided": layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False),
    "valid": layers.Conv2D(4, 3, use_bias=False, activation="relu"),
    "valid, biased": layers.Conv2D(4, (2, 3), bias_initializer="normal"),
    "dilated": layers.Conv2D(4, 3, dilation_rate=2, padding="same", bias_initializer="normal"),
    "grouped": layers.Conv2D(6, 3, groups=3, padding="same"),
    "depthwise": layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", activation="relu"),
    "depthwise, valid": layers.DepthwiseConv2D(3, bias_initializer="normal"),
    "separable": layers.SeparableConv2D(5, 3, depth_multiplier=2, padding="same",
                                        activation="relu", bias_initializer="normal"),
    "separable, valid": layers.SeparableConv2D(5, 3, strides=2, use_bias=False),
    "transposed": layers.Conv2DTranspose(4, 3, strides=2, padding="same"),
    "transposed, valid": layers.Conv2DTranspose(4, 3, bias_initializer="normal"),
    "dense": layers.Dense(4, activation="relu", bias_initializer="normal"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(STEMS)[::EVERY])
def test_stems(name, tmp_path):
    template = STEMS[name]
    model = functional(type(template).from_config(template.get_config()))
    x = gray(2, 12, 13, 1)
    adapted = adapt(model, (MEAN, STD))
    assert_same(run(adapted, x), run(model, planes(x)))
    assert_same(run(saved(adapted, tmp_path), x), run(model, planes(x)))
    assert adapted.layers[-1].name == model.layers[-1].name
    padded = ("valid" not in name and name != "dense") or "transposed" in name
    # the input, the layer whose name says what is carried, and the stem
    assert len(adapted.layers) == 3 + padded + ("separable" in name)


def test_volumes():
    model = functional(layers.Conv3D(4, 3, padding="same"), shape=(5, 6, 7, 3))
    x = gray(2, 5, 6, 7, 1)
    assert_same(run(adapt(model, (MEAN, STD)), x), run(model, planes(x)))


@pytest.mark.skipif(
    BACKEND == "jax", reason="XLA's CPU is slow to compile these, and TensorFlow has them"
)
@pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
def test_channels_first(how):
    image = keras.Input((3, 12, 13))
    x = layers.ZeroPadding2D(1, data_format="channels_first")(image)
    model = keras.Model(image, layers.Conv2D(4, 3, data_format="channels_first")(x))
    x = gray(2, 1, 12, 13)
    adapted = adapt(model, (MEAN, STD), how=how)
    assert adapted.input_shape == (None, 1, 12, 13)
    assert_same(run(adapted, x), run(model, planes(x, axis=1)))
    proof = verify(model, adapted, x[:, 0], (MEAN, STD), seconds=0)
    assert proof.passed
    assert proof.stem_difference.shape == (12, 13)
    assert proof.border_difference <= 1e-5


# What is between the image and its stem; each is made anew, since layers keep their names.
WAYS = {
    "padded": lambda: [layers.ZeroPadding2D(((1, 2), (0, 3))), conv(padding="valid")],
    "padded twice": lambda: [layers.ZeroPadding2D(1), conv()],
    "rescaled": lambda: [layers.Rescaling(0.5, offset=-1), conv()],
    "rescaled by channel": lambda: [layers.Rescaling([1, 2, 3], [0.1, 0.2, 0.3]), conv()],
    "normalized": lambda: [layers.Normalization(), conv()],
    "normalized by numbers": lambda: [layers.Normalization(mean=MEAN, variance=STD), conv()],
    "inverted": lambda: [layers.Normalization(mean=MEAN, variance=STD, invert=True), conv()],
    "one mean": lambda: [layers.Normalization(axis=None, mean=0.3, variance=0.1), conv()],
    "frozen batch normalization": lambda: [frozen(layers.BatchNormalization()), conv()],
    "padded, calculated, padded": lambda: [
        layers.ZeroPadding2D(1), layers.Rescaling(2, 1), layers.ZeroPadding2D(1), conv()],
    "called as in inference": lambda: [lambda x: functional(conv(), layers.BatchNormalization())(
        x, training=False)],
    "operators": lambda: [lambda x: 1 - (x * 2 - 0.25) / 0.5 + np.array(MEAN, np.float32), conv()],
    "negative": lambda: [lambda x: -x, lambda x: keras.ops.cast(x, "float32"), conv()],
    "reversed": lambda: [lambda x: x[..., ::-1], conv()],
    "flipped": lambda: [lambda x: keras.ops.flip(x, -1), lambda x: keras.ops.flip(x, 1), conv()],
    "one channel": lambda: [lambda x: x[..., 1:2], conv()],
    "cropped by an index": lambda: [lambda x: x[:, 1:-2, 2:, ::2], conv()],
    "caffe": lambda: [keras.applications.resnet50.preprocess_input, conv()],
    "tf": lambda: [keras.applications.mobilenet.preprocess_input, conv()],
    "torch": lambda: [keras.applications.densenet.preprocess_input, conv()],
    "concatenated": lambda: [lambda x: layers.Concatenate()([x * 2, x + 1]), conv()],
    "focus": lambda: [lambda x: layers.Concatenate()([x[:, ::2, :12:2], x[:, 1::2, 1::2] + 1]),
                      conv()],
    "cropped": lambda: [layers.Cropping2D(((1, 2), (3, 0))), conv()],
    "resized": lambda: [layers.Rescaling(2, 1), layers.Resizing(16, 9), conv()],
    "made larger": lambda: [layers.UpSampling2D(2, interpolation="bilinear"), conv()],
    "averaged": lambda: [layers.Rescaling(2, 1), layers.AveragePooling2D(2), conv()],
    "largest": lambda: [layers.MaxPooling2D(2), layers.ReLU(), layers.Rescaling(2, 1), conv()],
    "augmented": lambda: [layers.RandomFlip(), layers.RandomRotation(0.1),
                          layers.RandomContrast(0.1), layers.Rescaling(2, 1), conv()],
    "permuted": lambda: [layers.Permute((2, 1, 3)), conv()],
    "sequential": lambda: [keras.Sequential([layers.Rescaling(2, 1), layers.ZeroPadding2D(1)]),
                           keras.Sequential([layers.Rescaling(2, 1), conv(), layers.ReLU()])],
    "all folded": lambda: [keras.Sequential([layers.Rescaling(2, 1)]), conv()],
    "nested": lambda: [layers.Rescaling(2, 1), functional(layers.ReLU(), conv()) and
                       functional(layers.ZeroPadding2D(1), conv(), layers.BatchNormalization())],
}  # fmt: skip


@pytest.mark.parametrize("name", list(WAYS)[::EVERY])
def test_ways_to_the_stem(name, tmp_path):
    if name == "reversed" and BACKEND == "torch":
        pytest.skip("torch has no negative steps, so the network itself doesn't run")
    model = functional(*WAYS[name]())
    x = gray(2, 12, 13, 1)
    plain = name == "largest" or name == "augmented"  # what isn't linear takes three equal planes
    mean, std = (0, 1) if plain else (MEAN, STD)
    adapted = adapt(model, (mean, std))
    expected = run(model, planes(x, mean, std))
    assert_same(run(adapted, x), expected)
    assert_same(run(saved(adapted, tmp_path), x), expected)


class TestNetworks:
    """What is around the stem stays as it was."""

    def test_sequential(self, tmp_path):
        model = keras.Sequential(
            [
                keras.Input((12, 13, 3)),
                layers.Rescaling(1 / 255),
                conv(),
                layers.Flatten(),
                layers.Dense(5),
            ],
            name="mine",
        )
        x = 255 * gray(2, 12, 13, 1)
        adapted = adapt(model)
        assert type(adapted) is keras.Sequential
        names = [layer.name for layer in adapted.layers]
        assert names == ["gray-input", *[layer.name for layer in model.layers][1:]]
        for it in (adapted, saved(adapted, tmp_path)):
            assert_same(run(it, x), run(model, np.repeat(x, 3, -1)))
        inside = keras.Model(adapted.inputs, adapted.layers[1].output)
        assert inside.output_shape == (None, 12, 13, 4)

    def test_a_whole_pipeline(self, tmp_path):
        """Augmentation, Rescaling, a frozen base and a head: Keras's own transfer learning."""
        base = functional(
            layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="conv1"),
            layers.BatchNormalization(), layers.ReLU(), layers.DepthwiseConv2D(3),
            shape=(16, 16, 3),
        )  # fmt: skip
        base.trainable = False
        image = keras.Input((16, 16, 3), name="photo")
        x = layers.RandomFlip("horizontal")(image)
        x = keras.applications.mobilenet.preprocess_input(x)
        x = layers.GlobalAveragePooling2D()(base(x, training=False))
        model = keras.Model(image, layers.Dense(2)(layers.Dropout(0.2)(x)))
        x = 255 * gray(2, 16, 16, 1)
        adapted = adapt(model)
        for it in (adapted, saved(adapted, tmp_path)):
            assert_same(run(it, x), run(model, np.repeat(x, 3, -1)), 1e-5)
        assert adapted.inputs[0].name == "photo"
        inner = adapted.get_layer(base.name)
        assert not inner.trainable
        assert len(adapted.trainable_weights) == len(model.trainable_weights) == 2
        assert inner.get_layer("conv1").kernel.shape == (3, 3, 2, 8)

    def test_weights_names_and_flags_are_copied(self):
        model = functional(
            conv(), frozen(layers.Conv2D(5, 1, name="frozen")), layers.BatchNormalization()
        )
        before = model.get_weights()
        adapted = adapt(model, (MEAN, STD))
        for old, new in zip(model.layers[2:], adapted.layers[4:], strict=True):
            assert (old.name, old.trainable) == (new.name, new.trainable)
            for a, b in zip(old.get_weights(), new.get_weights(), strict=True):
                assert (a == b).all()
        model.trainable = False
        model.layers[-1].trainable = True
        thawed = adapt(model, (MEAN, STD))
        assert [layer.trainable for layer in thawed.layers] == [False] * 5 + [True]
        adapted.set_weights([0 * w for w in adapted.get_weights()])
        assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
        assert model.input_shape == (None, 12, 13, 3)

    def test_several_images_inputs_and_outputs(self):
        """A shared tower, two images, a stem for each of them, and a table beside them."""
        tower = functional(layers.Rescaling(2, 1), conv(), layers.GlobalAveragePooling2D())
        left, right = keras.Input((12, 13, 3), name="left"), keras.Input((12, 13, 3), name="right")
        table = keras.Input((4,), name="table")
        direct = layers.GlobalMaxPooling2D()(conv(name="direct")(left))
        joined = layers.Concatenate()([tower(left), tower(right), direct, table])
        model = keras.Model(
            {"left": left, "right": right, "table": table},
            {"score": layers.Dense(2)(joined), "raw": tower(right)},
        )
        given = {
            "left": gray(2, 12, 13, 1),
            "right": gray(2, 12, 13, 1, seed=1),
            "table": gray(2, 4),
        }
        expected = run(model, {k: planes(v) if v.ndim > 2 else v for k, v in given.items()})
        adapted = adapt(model, (MEAN, STD))
        assert {k: v.shape[1:] for k, v in adapted.input.items()} == {
            "left": (12, 13, 1), "right": (12, 13, 1), "table": (4,)}  # fmt: skip
        result = run(adapted, given)
        for name in expected:
            assert_same(result[name], expected[name], 1e-5)
        with pytest.raises(ModelError, match="verify gives a network one image"):
            verify(model, adapted, given["left"], (MEAN, STD))

    def test_a_class_of_ones_own(self):
        """Keras Hub's backbones are such: a graph, with a constructor for its settings."""

        class Backbone(keras.Model):
            def __init__(self, width):
                image = keras.Input((12, 13, 3))
                super().__init__(image, layers.Conv2D(width, 3, padding="same")(image))

        x = gray(2, 12, 13, 1)
        image = keras.Input((12, 13, 3))
        backbone = Backbone(7)
        for model in (backbone, keras.Model(image, backbone(image))):
            assert_same(run(adapt(model, (MEAN, STD)), x), run(model, planes(x)))

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_an_optional_input(self, how):
        image, table = keras.Input((12, 13, 3)), keras.Input((4,), optional=True)
        model = keras.Model([image, table], PlusIfAny()(conv()(image), table))
        x = gray(2, 12, 13, 1)
        adapted = adapt(model, (MEAN, STD), how=how)
        names = [[layer.name for layer in m.layers if isinstance(layer, layers.InputLayer)]
            for m in (model, adapted)]  # fmt: skip
        assert set(names[0]) == set(names[1])
        for values in (None, gray(2, 4)):
            assert_same(run(adapted, [x, values]), run(model, [planes(x), values]))

    def test_a_call_of_ones_own(self):
        """The layers of such a network aren't all that it does."""

        @keras.saving.register_keras_serializable("tests")
        class Twice(keras.Model):
            def __init__(self, **options):
                image = keras.Input((12, 13, 3))
                super().__init__(image, conv()(image))

            def call(self, x, training=None, mask=None):
                return 2 * super().call(x)

        x = gray(2, 12, 13, 1)
        model = Twice()
        for network in (model, functional(Twice())):
            with pytest.raises(ModelError, match=r"call\(\) of its own|goes into .*Twice"):
                adapt(network, (MEAN, STD))
        for inplace in (False, True):
            adapted = adapt(model, (MEAN, STD), how="expand", inplace=inplace)
            assert adapted.input_shape == (None, 12, 13, 1)
            assert_same(run(adapted, x), run(model, planes(x)))

    def test_one_of_two_images(self):
        left, right = keras.Input((12, 13, 3), name="left"), keras.Input((12, 13, 3), name="right")
        x = layers.Add()([conv(name="one")(left), conv(name="two")(right)])
        model = keras.Model([left, right], x)
        adapted = adapt(model, (MEAN, STD), layer="two")
        x, y = gray(2, 12, 13, 1), gray(2, 12, 13, 3)
        assert_same(run(adapted, [y, x]), run(model, [y, planes(x)]))

    def test_whole_numbers(self, tmp_path):
        model = functional(layers.Rescaling(1 / 255), conv(), dtype="uint8")
        x = np.random.default_rng(0).integers(0, 256, (2, 12, 13, 1), np.uint8)
        for it in (adapt(model), saved(adapt(model), tmp_path), adapt(model, (0, 1), how="expand")):
            assert_same(run(it, x), run(model, np.repeat(x, 3, -1)))
        with pytest.raises(ModelError, match="takes whole numbers, so nothing is normalized"):
            adapt(model, (MEAN, STD))
        proof = verify(model, adapt(model), x[..., 0], seconds=0)
        assert proof.passed
        with pytest.raises(ModelError, match="whole numbers"):
            verify(model, adapt(model), gray(2, 12, 13))

    @pytest.mark.parametrize(
        "body",
        [
            lambda: [layers.Rescaling(1 / 127.5, -1), layers.ZeroPadding2D(1), conv()],
            lambda: [layers.Rescaling(1 / 255), layers.Resizing(9, 20), conv()],
            lambda: [layers.Resizing(9, 20), layers.Rescaling(1 / 255), conv()],
            lambda: [lambda x: x / 255, layers.AveragePooling2D(2), conv()],
            lambda: [lambda x: keras.ops.cast(x, "float32") / 255, layers.Resizing(9, 9), conv()],
            lambda: [shared_rescaling],
            lambda: [functional(layers.Resizing(9, 20), layers.Rescaling(1 / 255), conv())],
        ][::EVERY],
    )
    def test_whole_numbers_become_floats_where_they_did(self, body):
        model = functional(*body(), dtype="uint16")
        x = np.random.default_rng(0).integers(0, 65536, (2, 12, 13, 1)).astype("uint16")
        assert_same(run(adapt(model), x), run(model, np.repeat(x, 3, -1)))

    def test_names_of_a_file(self, tmp_path):
        """Operations that stay have names of another process, which new ones mustn't get."""

        def body(image):
            feature = keras.ops.flip(layers.Conv2D(3, 1)(image), 1)[:, 1:]
            return feature + layers.Conv2D(3, 1)(keras.ops.flip(image[:, 1:], 1))

        model = functional(body)
        x = gray(2, 12, 13, 1)
        loaded = saved(model, tmp_path)
        keras.backend.clear_session()
        assert_same(run(adapt(loaded, (MEAN, STD)), x), run(model, planes(x)))

    def test_preprocessing_in_a_file(self, tmp_path):
        """A file keeps the channels that are picked as a list."""
        if BACKEND == "torch":
            pytest.skip("torch has no negative steps, so the network itself doesn't run")
        model = functional(keras.applications.resnet50.preprocess_input, conv())
        x = 255 * gray(2, 12, 13, 1)
        assert_same(run(adapt(saved(model, tmp_path)), x), run(model, np.repeat(x, 3, -1)), 1e-5)

    def test_lambda(self):
        """Behind the stem, with what it refers to: Keras copies none from its config."""
        number = np.float32(3)
        model = functional(
            conv(),
            layers.Lambda(lambda x: x * number),
            layers.Lambda(lambda x, by: x * by, (12, 13, 4), arguments={"by": 2.0}),
        )
        x = gray(2, 12, 13, 1)
        adapted = adapt(model, (MEAN, STD))
        assert_same(run(adapted, x), run(model, planes(x)))
        assert [layer.name for layer in adapted.layers[-2:]] == [
            layer.name for layer in model.layers[-2:]
        ]

    @pytest.mark.parametrize(("name", "value"), [("trainable", False), ("kernel_constraint", None)])
    def test_a_constraint_that_does_not_matter(self, name, value):
        """What the message of a refusal says to do."""
        model = small(kernel_constraint="non_neg")
        setattr(model.layers[1], name, value)
        x = gray(2, 12, 13, 1)
        assert_same(run(adapt(model, (MEAN, STD)), x), run(model, planes(x)))

    def test_called_by_a_keyword(self):
        model = functional(lambda image: conv()(inputs=layers.Rescaling(2, 1)(inputs=image)))
        x = gray(2, 12, 13, 1)
        assert_same(run(adapt(model, (MEAN, STD)), x), run(model, planes(x)))

    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    def test_sizes(self, how):
        """Any if the network takes any, and another if it is asked for."""
        model = functional(conv(), layers.GlobalAveragePooling2D(), shape=(None, None, 3))
        adapted = adapt(model, (MEAN, STD), how=how)
        assert adapted.input_shape == (None, None, None, 1)
        for side in (7, 20):
            x = gray(1, side, 9, 1)
            assert_same(run(adapted, x), run(model, planes(x)))
        assert adapt(model, (MEAN, STD), how=how, example=256).input_shape == (None, 256, 256, 1)
        fixed = functional(conv(), layers.GlobalAveragePooling2D())
        fixed.set_weights(model.get_weights())
        larger = adapt(fixed, (MEAN, STD), how=how, example=(np.int64(20), None))
        assert larger.input_shape == (None, 20, None, 1)
        assert_same(run(larger, x), run(model, planes(x)))
        flat = functional(conv(), layers.Flatten(), layers.Dense(3))
        with pytest.raises(ModelError, match="can't be copied"):
            adapt(flat, (MEAN, STD), how=how, example=20)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float64"])
    def test_precisions(self, policy):
        """As near to the original in float32 as the original in this precision is."""
        if policy == "float64" and BACKEND == "jax":
            pytest.skip("JAX has float64 only if a process is started so")
        model = functional(
            layers.Rescaling(1 / 255, dtype=policy), conv(dtype=policy), shape=(9, 9, 3),
            dtype="float64" if policy == "float64" else "float32",
        )  # fmt: skip
        adapted = adapt(model, (0, 1))
        x = 255 * gray(2, 9, 9, 1)
        precise = functional(layers.Rescaling(1 / 255), conv(), shape=(9, 9, 3))
        precise.set_weights(model.get_weights())
        truth = run(precise, np.repeat(x, 3, -1)).astype(float)
        usual = np.abs(np.asarray(run(model, np.repeat(x, 3, -1)), float) - truth).max()
        ours = np.abs(np.asarray(run(adapted, x), float) - truth).max()
        assert ours <= 2 * usual + 1e-6
        assert adapted.layers[-1].dtype_policy.name == policy

    def test_a_compiled_network_stays_compiled(self):
        model = small()
        model.compile(optimizer="sgd", loss="mse")
        adapted = adapt(model, (MEAN, STD))
        x = gray(2, 12, 13, 1)
        y = np.zeros((2, 12, 13, 4), np.float32)
        assert (
            abs(adapted.evaluate(x, y, verbose=0) - model.evaluate(planes(x), y, verbose=0)) < 1e-5
        )

    def test_a_loss_that_keras_cannot_make_again(self, recwarn, tmp_path):
        for model in (small(), keras.Sequential([keras.Input((12, 13, 3)), conv()])):
            model.compile(optimizer="sgd", loss=lambda a, b: keras.ops.mean((a - b) ** 2))
            adapted = adapt(model, (MEAN, STD))
            messages = [str(warning.message) for warning in recwarn]
            assert any("isn't compiled" in m and "call its compile()" in m for m in messages)
            recwarn.clear()
            assert not adapted.compiled
            assert model.compiled
            x = gray(2, 12, 13, 1)
            assert_same(run(adapted, x), run(model, planes(x)))
            path = tmp_path / f"{model.name}.keras"  # a warning is given once for each text
            model.save(path)
            recwarn.clear()
            adapted = adapt(path, (MEAN, STD))
            assert any("isn't compiled" in str(warning.message) for warning in recwarn)
            assert_same(run(adapted, x), run(model, planes(x)))

    def test_a_range_beyond_float16(self):
        model = small(dtype="mixed_float16")
        x = 65535 * gray(2, 12, 13, 1)
        with pytest.raises(ModelError, match=r"'stem' calculates in float16.*0 to 1; how"):
            adapt(model, (MEAN, STD), value_range=(0, 65535))
        expected = run(model, planes(x / 65535))
        for how, given in (("collapse", {}), ("expand", {"value_range": (0, 65535)})):
            adapted = adapt(model, (MEAN, STD), how=how, **given)
            assert_same(run(adapted, x if given else x / 65535), expected, 5e-3)


class TestTraining:
    def test_gradients_are_those_of_three_channels(self):
        """One step of plain gradient descent: other layers move equally, the stem as it must."""
        model = functional(conv(), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3))
        adapted = adapt(model, (MEAN, STD))
        stems = model.layers[1], adapted.get_layer(model.layers[1].name)
        before = [stem.get_weights()[0] for stem in stems]
        x, y = gray(8, 12, 13, 1), gray(8, 3)
        for network, given in ((model, planes(x)), (adapted, x)):
            network.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
            network.train_on_batch(given, y)
        for a, b in zip(model.layers[2:], adapted.layers[4:], strict=True):
            assert_same(a.get_weights(), b.get_weights(), 1e-5)
        color, ours = (stem.get_weights()[0] - w for stem, w in zip(stems, before, strict=True))
        assert np.abs(ours).max() > 1e-3
        for c in range(3):
            assert_same(color[:, :, c], (ours[:, :, 0] - MEAN[c] * ours[:, :, 1]) / STD[c], 1e-4)

    def test_learned(self, tmp_path):
        model = functional(conv(), layers.Flatten(), layers.Dense(3))
        adapted = adapt(model, (MEAN, STD), how="learned", freeze=True)
        x = gray(4, 12, 13, 1)
        assert_same(run(adapted, x), run(model, planes(x)))
        assert [w.path for w in adapted.trainable_weights] == [
            "gray_to_rgb/kernel",
            "gray_to_rgb/bias",
        ]
        assert model.trainable
        adapted.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
        before = adapted.get_weights()
        adapted.fit(x, np.zeros((4, 3)), verbose=0)
        moved = [(a != b).any() for a, b in zip(before, adapted.get_weights(), strict=True)]
        assert moved == [True, True, False, False, False, False]
        assert_same(run(saved(adapted, tmp_path), x), run(adapted, x))


class TestInFront:
    @pytest.mark.parametrize("statistics", [(MEAN, STD), (0, 1)])
    def test_expand(self, statistics, tmp_path):
        model = functional(layers.Flatten(), layers.Dense(3))  # no convolution
        adapted = adapt(model, statistics, how="expand")
        x = gray(2, 12, 13, 1)
        for it in (adapted, saved(adapted, tmp_path)):
            assert_same(run(it, x), run(model, planes(x, *statistics)))
        assert adapted.get_layer(model.name) is not model
        shared = adapt(model, statistics, how="expand", inplace=True)
        assert shared.get_layer(model.name) is model

    def test_a_network_that_is_no_graph(self):
        @keras.saving.register_keras_serializable("tests")
        class Own(keras.Model):
            def __init__(self, **options):
                super().__init__(**options)
                self.conv = conv()

            def call(self, x):
                return self.conv(x)

        model = Own()
        x = gray(2, 12, 13, 1)
        expected = run(model, planes(x))
        for how in ("expand", "learned"):
            for inplace in (False, True):
                adapted = adapt(model, (MEAN, STD), how=how, example=(12, 13), inplace=inplace)
                assert_same(run(adapted, x), expected)
        with pytest.raises(ModelError, match=r"Own isn't made of a graph.*expand"):
            adapt(model, (MEAN, STD))
