"""What adapt keeps of a Keras network: its other layers, inputs, settings and precision."""

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
    freeze,
    functional,
    gray,
    planes,
    run,
    save_and_load,
    shared_rescaling,
    small,
)

EVERY = 4 if BACKEND == "jax" else 1


class TestNetworks:
    """The parts of a network around the stem stay unchanged."""

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
        for it in (adapted, save_and_load(adapted, tmp_path)):
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
        for it in (adapted, save_and_load(adapted, tmp_path)):
            assert_same(run(it, x), run(model, np.repeat(x, 3, -1)), 1e-5)
        assert adapted.inputs[0].name == "photo"
        inner = adapted.get_layer(base.name)
        assert not inner.trainable
        assert len(adapted.trainable_weights) == len(model.trainable_weights) == 2
        assert inner.get_layer("conv1").kernel.shape == (3, 3, 1, 8)

    def test_weights_names_and_flags_are_copied(self):
        model = functional(
            conv(), freeze(layers.Conv2D(5, 1, name="frozen")), layers.BatchNormalization()
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
        """A graph whose class has a constructor for its settings, as Keras Hub's backbones."""

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
        """A network with a call() of its own does more than its layers do."""

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

    def test_messages_name_an_input_only_if_the_user_did(self):
        """Keras makes up names such as keras_tensor_3."""
        for name, words in ((None, "the input takes"), ("photo", "the input 'photo' takes")):
            image = keras.Input((12, 13, 3), dtype="uint8", name=name)
            model = keras.Model(image, conv()(layers.Rescaling(1 / 255)(image)))
            for how in ("collapse", "expand"):
                with pytest.raises(ModelError, match=f"^{words} whole numbers"):
                    adapt(model, (MEAN, STD), how=how)
        images = [keras.Input((12, 13, 3)), keras.Input((9, 9, 3))]
        model = keras.Model(images, [conv()(image) for image in images])
        adapted = adapt(model, (MEAN, STD))
        with pytest.raises(ModelError, match=r"2 inputs: \(None, 12, 13, .\), \(None, 9, 9, .\)"):
            verify(model, adapted, gray(2, 12, 13), (MEAN, STD))

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
        for it in (
            adapt(model),
            save_and_load(adapt(model), tmp_path),
            adapt(model, (0, 1), how="expand"),
        ):
            assert_same(run(it, x), run(model, np.repeat(x, 3, -1)))
        with pytest.raises(ModelError, match="takes whole numbers, so nothing can be normalized"):
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
        """New operations don't get the names of operations that a file brings."""

        def body(image):
            feature = keras.ops.flip(layers.Conv2D(3, 1)(image), 1)[:, 1:]
            return feature + layers.Conv2D(3, 1)(keras.ops.flip(image[:, 1:], 1))

        model = functional(body)
        x = gray(2, 12, 13, 1)
        loaded = save_and_load(model, tmp_path)
        keras.backend.clear_session()
        assert_same(run(adapt(loaded, (MEAN, STD)), x), run(model, planes(x)))

    def test_preprocessing_in_a_file(self, tmp_path):
        """A file keeps the channels that are picked as a list."""
        if BACKEND == "torch":
            pytest.skip("torch has no negative steps, so the network itself doesn't run")
        model = functional(keras.applications.resnet50.preprocess_input, conv())
        x = 255 * gray(2, 12, 13, 1)
        assert_same(
            run(adapt(save_and_load(model, tmp_path)), x), run(model, np.repeat(x, 3, -1)), 1e-5
        )

    def test_lambda(self):
        """A Lambda behind the stem keeps its functions, which its config doesn't hold."""
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
        """The calls that the message of the refusal names work."""
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
        """The input keeps the network's size, or takes the size that ``example=`` states."""
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
        """The result is as near to float32 as the original in this precision is."""
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
