"""Keras networks that are refused, proven, read from files, and run by other frameworks."""

import json

import keras
import numpy as np
import pytest
from keras import layers

import graytorgb as g2r
from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify

from ..support import needs_package
from ._networks_keras import (
    BACKEND,
    CAFFE,
    MEAN,
    STD,
    assert_same,
    conv,
    functional,
    gray,
    planes,
    run,
    save_and_load,
    small,
)


class Custom(layers.Layer):
    def call(self, x):
        return x[..., :2]


class Needy(layers.Layer):
    def __init__(self, number):
        super().__init__()

    def call(self, x):
        return x


def used_twice(image):
    shared = conv(name="shared")
    return layers.Add()([shared(image), shared(image * 2)])


def returned(image):
    return [conv()(image), layers.Rescaling(2, name="scaled")(image)]


# name: the layers or functions of a network, what the message says
REFUSED = {
    "maximum": (lambda: [layers.MaxPooling2D(), conv()], "goes into MaxPooling2D"),
    "custom": (lambda: [Custom(), conv()], r"goes into .*Custom, layer 'custom"),
    "custom, later": (lambda: [conv(), Needy(3)], "can't be copied.*Needy"),
    "trained": (lambda: [layers.BatchNormalization(), conv()], "statistics change in training"),
    "constrained": (lambda: [conv(kernel_constraint="non_neg")],
                    "kernel_constraint would apply to other weights in training"),
    "noisy": (lambda: [layers.GaussianNoise(0.1), conv()], "GaussianNoise"),
    "wrong axis": (lambda: [conv(data_format="channels_first")], "channels on axis 1, not 3"),
    "a map": (lambda: [lambda x: x + np.arange(468).reshape(12, 13, 3), conv()],
              "meets other numbers at each pixel in operation 'add"),
    "used twice": (lambda: [used_twice], "'shared', which sees something else too"),
    "residual": (lambda: [lambda x: layers.Add()([layers.Conv2D(3, 1)(x), x])],
                 "Add, layer 'add.*with something else, beside the convolution.*'conv"),
    "returned": (lambda: [returned], "returned, as the output 'scaled"),
    "filled up": (lambda: [layers.Rescaling(2, 1),
                           layers.Resizing(9, 9, pad_to_aspect_ratio=True), conv()],
                  "filled up with a constant"),
    "whole numbers": (lambda: [lambda x: keras.ops.cast(x * 2, "float32"), conv()],
                      "calculated with in whole numbers, in operation 'multiply", "uint8"),
    "whole numbers, negative": (lambda: [lambda x: keras.ops.cast(-x, "float32"), conv()],
                                "calculated with in whole numbers, in", "int32"),
    "rounded": (lambda: [layers.Rescaling(255), functional(layers.Rescaling(2), conv(),
                                                           dtype="uint8")],
                "is rounded, in the input of the network 'functional"),
    "divided by": (lambda: [lambda x: 1 / (x + 9), conv()], "divides by"),
}  # fmt: skip


@pytest.mark.skipif(BACKEND == "jax", reason="no error is JAX's own, and to compile takes long")
class TestErrors:
    @pytest.mark.parametrize("name", REFUSED)
    def test_what_is_refused(self, name):
        body, message, *dtype = REFUSED[name]
        if name == "wrong axis" and BACKEND == "tensorflow":
            pytest.skip("TensorFlow makes no such network")
        model = functional(*body(), **({"dtype": dtype[0]} if dtype else {}))
        with pytest.raises(ModelError, match=f"(?s){message}"):
            adapt(model, (0, 1) if dtype else (MEAN, STD))

    def test_no_images(self):
        with pytest.raises(ModelError, match=r"no images of 3 channel.*\(None, 12, 13, 4\)"):
            adapt(functional(conv(), shape=(12, 13, 4)), (MEAN, STD))
        with pytest.raises(ModelError, match=r"model\.build"):
            adapt(keras.Sequential([conv()]), (MEAN, STD))
        model = keras.Sequential([conv()])  # the calls that this message names
        adapted = adapt(model, (MEAN, STD), example=(12, 13), how="expand")
        assert adapted.input_shape == (None, 12, 13, 1)
        assert model.input_shape == (None, 12, 13, 3)
        model = keras.Sequential([conv()])
        model.build((None, 12, 13, 3))
        assert adapt(model, (MEAN, STD)).input_shape == (None, 12, 13, 1)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"stats": None}, "say how the images were normalized"),
            ({"stats": None, "how": "expand"}, "say how the images were normalized"),
            ({"inplace": True}, "no inplace=True here"),
            ({"layer": "stm"}, "isn't there, did you mean 'stem'"),
            ({"layer": "after"}, "'after' isn't a convolution that sees the image.*'stem'"),
            ({"example": "large"}, "example is the size of an image.*not 'large'"),
            ({"example": True}, "example is the size of an image.*not True"),
            ({"example": np.zeros((1, 12, 13, 3))}, r"not ndarray of shape \(1, 12, 13, 3\)"),
            (
                {"layer": layers.ReLU()},
                "name of a layer.*not <?ReLU.*layer=stem.name in Keras",
            ),
            ({"freeze": True}, "model.trainable = False in Keras"),
            ({"example": (1, 2, 3)}, "2 sides"),
        ],
    )
    def test_what_cannot_be_meant(self, options, message):
        model = functional(conv(name="stem"), layers.Conv2D(2, 1, name="after"))
        with pytest.raises(ModelError, match=message):
            adapt(model, **{"stats": (MEAN, STD), **options})

    def test_a_layer_among_several(self):
        image = keras.Input((12, 13, 3))
        model = keras.Model(image, [conv(name="one")(image), conv(name="two")(image)])
        with pytest.raises(ModelError, match="goes into 'two' too"):
            adapt(model, (MEAN, STD), layer="one")
        assert adapt(model, (MEAN, STD), layer=["one", "two"]).input_shape[-1] == 1

    def test_files(self, tmp_path):
        (tmp_path / "broken.keras").write_bytes(b"nothing")
        with pytest.raises(ModelError, match="Keras can't load"):
            adapt(tmp_path / "broken.keras", (MEAN, STD))
        with pytest.raises(ModelError, match=r"keras\.models\.load_model"):
            adapt(tmp_path / "old.h5", (MEAN, STD))


class TestProof:
    def test_verify(self):
        model = functional(
            layers.ZeroPadding2D(1, name="pad"), layers.Conv2D(8, 3, name="stem"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(6), shape=(None, None, 3),
        )  # fmt: skip
        adapted = adapt(model, (MEAN, STD))
        proof = verify(model, adapted, gray(5, 12, 13), (MEAN, STD), seconds=0.1)
        assert proof.passed
        assert (proof.images, proof.top1, proof.top5) == (5, 1.0, 1.0)
        assert proof.adapted_s.median > 0
        assert json.loads(proof.to_json())["passed"]
        kernel, bias = adapted.get_layer("stem").get_weights()
        level = run(adapted.get_layer("pad_planes"), gray(1, 12, 13, 1))[0, 0, 0, 1]
        spread = level * kernel[:, :, 1].sum((0, 1))
        kernel[:, :, 1] = 0  # the means as a bias, as they usually are: wrong at the border alone
        adapted.get_layer("stem").set_weights([kernel, bias + spread])
        proof = verify(model, adapted, [gray(12, 13), gray(9, 9)], (MEAN, STD), seconds=0)
        assert not proof.passed
        assert proof.inside_difference <= 1e-5 < 1e-3 < proof.border_difference
        assert proof.stem_difference.shape == (12, 13)

    def test_segmentation_and_its_scores(self):
        model = functional(conv(name="stem"), layers.Conv2D(7, 1))
        for how in ("collapse", "expand", "learned"):
            proof = verify(
                model, adapt(model, (0.5, 0.5), how=how), gray(3, 12, 13), (0.5, 0.5), seconds=0
            )
            assert proof.passed
            assert proof.top1 == 1
            assert proof.border_difference <= 1e-5

    def test_images_that_do_not_fit(self):
        model = small()
        with pytest.raises(ModelError, match="takes images of 12 x 13, not 9 x 9"):
            verify(model, adapt(model, (MEAN, STD)), gray(2, 9, 9), (MEAN, STD))
        x = gray(2, 12, 13, 1)  # as the network takes them
        assert verify(model, adapt(model, (MEAN, STD)), x, (MEAN, STD), seconds=0).passed
        with pytest.raises(ModelError, match="no images of 1 channel"):
            verify(model, model, gray(2, 12, 13), (MEAN, STD))

    def test_files(self, tmp_path):
        model = functional(conv(name="stem"), layers.GlobalAveragePooling2D())
        source, target = tmp_path / "model.keras", tmp_path / "gray.keras"
        model.save(source)
        assert isinstance(adapt(source, (MEAN, STD)), keras.Model)
        adapt_file(source, target, (MEAN, STD))
        assert verify(source, target, gray(2, 12, 13), (MEAN, STD), seconds=0).passed

    @pytest.mark.parametrize("how", ["collapse", "expand", "learned"])
    @pytest.mark.parametrize(
        ("options", "limits"), [({}, (0, 1)), ({"value_range": (0, 255)}, (0, 255))]
    )
    def test_what_it_was_adapted_with_is_carried(self, tmp_path, how, options, limits):
        """The preprocessing survives files, clones and networks in networks."""
        model = functional(conv(), layers.GlobalAveragePooling2D())
        model.save(tmp_path / "model.keras")
        adapt_file(
            tmp_path / "model.keras", tmp_path / "gray.keras", (MEAN, STD), how=how, **options
        )
        adapted = adapt(model, (MEAN, STD), how=how, **options)
        clone = keras.models.clone_model(adapted)
        clone.set_weights(adapted.get_weights())
        image = keras.Input((12, 13, 1))
        inside = keras.Model(image, adapted(image))
        x = limits[0] + (limits[1] - limits[0]) * gray(2, 12, 13)
        for it in (
            adapted,
            save_and_load(adapted, tmp_path),
            tmp_path / "gray.keras",
            clone,
            inside,
        ):
            assert verify(model, it, x, seconds=0).passed
        with pytest.raises(ModelError, match="made with stats="):
            verify(model, adapted, x, "-1..1")

    def test_from_the_shell(self, tmp_path):
        needs_package("click", "rich")
        from click.testing import CliRunner

        from graytorgb.cli import main

        model = functional(conv(name="stem"), layers.GlobalAveragePooling2D())
        source, target = tmp_path / "model.keras", tmp_path / "gray.keras"
        model.save(source)
        arguments = ["adapt", source, target, "--stats", "imagenet", "--seconds", "0"]
        done = CliRunner().invoke(main, list(map(str, arguments)))
        assert done.exit_code == 0, done.output
        assert "passed" in done.output
        assert "values from 0 to 1" not in done.output
        x = gray(2, 12, 13, 1)
        assert_same(run(keras.models.load_model(target), x), run(model, planes(x)))
        functional(layers.Rescaling(1 / 255), conv()).save(source)
        arguments = list(map(str, ["adapt", source, target, "--seconds", "0"]))
        for limits, told in (([], True), (["--value-range", "0", "255"], False)):
            done = CliRunner().invoke(main, arguments + limits)
            assert done.exit_code == 0, done.output
            assert (
                "proven on values from 0 to 1; for others: --value-range LO HI" in done.output
            ) == told


def test_preprocess_input_outside():
    """The guide's calls are right for the three kinds of preprocess_input."""
    model = small()
    photo = 255 * gray(2, 12, 13, 1)
    for module, statistics in (
        ("mobilenet", (0.5, 0.5)),
        ("resnet50", (CAFFE, 1 / 255)),
        ("densenet", g2r.stats("imagenet")),
    ):
        prepare = getattr(keras.applications, module).preprocess_input
        expected = run(model, prepare(np.repeat(photo, 3, -1)))
        adapted = adapt(model, statistics, value_range=(0, 255))
        assert_same(run(adapted, photo), expected)
        assert_same(run(adapt(model, statistics), photo / 255), expected)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow's own formats")
def test_tensorflow(tmp_path):
    import tensorflow as tf

    model = functional(conv(), layers.BatchNormalization())
    adapted = adapt(model, (MEAN, STD))
    x = gray(2, 12, 13, 1)
    expected = run(model, planes(x))
    for compiled in (False, True):
        assert_same(tf.function(adapted, jit_compile=compiled)(x).numpy(), expected)
    adapted.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")
    assert_same(loaded.serve(x).numpy(), expected)


@pytest.mark.skipif(BACKEND != "jax", reason="JAX's own transformations")
def test_jax():
    import jax

    model = functional(conv(), layers.BatchNormalization())
    adapted = adapt(model, (MEAN, STD))
    x = gray(2, 12, 13, 1)
    expected = run(model, planes(x))
    assert_same(np.asarray(jax.jit(lambda x: adapted(x, training=False))(x)), expected)
    assert_same(adapted.predict(x, verbose=0), expected)
    assert_same(model.predict(planes(x), verbose=0), expected)  # its weights are its own


@pytest.mark.skipif(BACKEND != "torch", reason="the weights are torch's")
class TestTorch:
    def test_a_keras_network_is_not_taken_for_torchs(self):
        import torch

        model = small()
        assert isinstance(model, torch.nn.Module)
        adapted = adapt(model, (MEAN, STD))
        assert adapted.input_shape == (None, 12, 13, 1)
        x = torch.rand(1, 12, 13, 1, requires_grad=True)
        adapted(x).sum().backward()
        color = torch.from_numpy(planes(x.detach().numpy())).requires_grad_()
        model(color).sum().backward()
        summed = (color.grad / torch.tensor(STD)).sum(-1, keepdim=True)
        assert torch.allclose(x.grad, summed, atol=1e-4)

    def test_real_weights(self):
        """torchvision's MobileNetV2, layer by layer in Keras, on photos."""
        needs_package("torchvision", "foolbox")
        import torch

        from ..models.pretrained import mobilenet, photos

        original, _, _ = mobilenet()
        model = mobilenet_in_keras(list(original.state_dict().values()))
        images = photos()[0] @ np.array([0.299, 0.587, 0.114], np.float32)
        color = planes(images[:4, ..., None])
        with torch.no_grad():
            expected = original(torch.from_numpy(color).permute(0, 3, 1, 2)).numpy()
        assert_same(run(model, color), expected, 1e-5)
        proof = verify(model, adapt(model, (MEAN, STD)), images, (MEAN, STD), seconds=0)
        assert proof.passed
        assert (proof.images, proof.top1, proof.top5) == (20, 1, 1)
        assert proof.largest_output > 10
        print(f"20 photos: largest difference {proof.max_difference:.2g}")


def mobilenet_in_keras(weights):
    """Return the network of arXiv:1801.04381 with torchvision's padding and tensors."""
    image = keras.Input((224, 224, 3))
    made = []

    def normalized(x, convolution, relu=True):
        made.extend((convolution, layers.BatchNormalization(epsilon=1e-5)))
        for layer in made[-2:]:
            x = layer(x)
        return layers.ReLU(6)(x) if relu else x

    def wide(x, stride, depthwise=None):
        x = layers.ZeroPadding2D(1)(x)
        if depthwise:
            return normalized(x, layers.DepthwiseConv2D(3, stride, use_bias=False))
        return normalized(x, layers.Conv2D(32, 3, stride, use_bias=False))

    def point(x, channels, relu=True):
        return normalized(x, layers.Conv2D(channels, 1, use_bias=False), relu)

    x = wide(image, 2)
    for expansion, channels, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1),
        (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for place in range(count):
            y = point(x, expansion * x.shape[-1]) if expansion > 1 else x
            y = point(wide(y, 1 if place else stride, depthwise=True), channels, relu=False)
            x = layers.Add()([x, y]) if place else y
    x = layers.GlobalAveragePooling2D()(point(x, 1280))
    made.append(layers.Dense(1000))
    x = made[-1](x)
    tensors = iter(weight.numpy() for weight in weights if weight.ndim)  # but BatchNorm's counters
    for layer in made:
        arrays = [next(tensors) for _ in layer.weights]
        if arrays[0].ndim == 4:
            arrays[0] = arrays[0].transpose(2, 3, 1, 0)
            if isinstance(layer, layers.DepthwiseConv2D):
                arrays[0] = arrays[0].swapaxes(2, 3)
        layer.set_weights([arrays[0].T if arrays[0].ndim == 2 else arrays[0], *arrays[1:]])
    return keras.Model(image, x)
