"""``gray_dataset_from_directory``: order, labels and split are Keras's, pixels are GrayBatches'."""

import copy

import keras
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf
from pydicom.data import get_testdata_file

from graytorgb.datasets import GrayBatches, gray_dataset_from_directory
from graytorgb.datasets.pixels.fits import FitView
from graytorgb.errors import OptionError
from graytorgb.layers import Prepare

SIZE = (16, 24)


def write(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(array).save(path)
    return array


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Twenty PNGs in three classes and in folders within them, a hidden folder, and links."""
    root = tmp_path_factory.mktemp("tree")
    rng = np.random.default_rng(0)
    for number in range(20):
        inside = ("", "x", "x-y", "x/z")[number % 4]
        shape = [(16, 24), (40, 30), (21, 50)][number % 3]
        place = root / ("b", "a", "c")[number % 3] / inside / f"{number}.png"
        write(place, rng.integers(0, 256, shape, dtype=np.uint8))
    write(root / ".hidden" / "1.png", np.zeros((8, 8), np.uint8))
    (root / "a" / "linked").symlink_to(root / "b")
    (root / "d").symlink_to(root / "c")
    return root


def make_both(root, **options):
    """Keras's data set and ours, made under the same seed of TensorFlow and NumPy."""
    made = []
    for function, more in (
        (keras.utils.image_dataset_from_directory, {"color_mode": "grayscale"}),
        (gray_dataset_from_directory, {}),
    ):
        keras.utils.set_random_seed(5)
        more = more | copy.deepcopy(options)  # Keras shuffles a list of labels in place
        made.append(function(str(root), image_size=SIZE, verbose=False, **more))
    return made


@pytest.mark.parametrize(
    "options",
    [
        {"shuffle": False},
        {},
        {"seed": 3, "batch_size": 2},
        {"label_mode": "categorical", "seed": 1, "batch_size": None},
        {"label_mode": "binary", "class_names": ["c", "a"]},
        {"label_mode": None, "seed": 1},
        {"labels": None, "shuffle": False},
        {"labels": list(range(21)), "seed": 2},
        {"follow_links": True, "shuffle": False},
        {"validation_split": 0.3, "subset": "training", "seed": 2},
        {"validation_split": 0.3, "subset": "validation", "shuffle": False},
        {"validation_split": 0.25, "subset": "both", "seed": 7, "batch_size": 4},
        {"data_format": "channels_first", "shuffle": False},
        {"crop_to_aspect_ratio": True, "shuffle": False, "interpolation": "nearest"},
        {"pad_to_aspect_ratio": True, "shuffle": False},
    ],
    ids=str,
)
def test_files_order_labels_and_shapes_are_those_of_keras(root, options):
    expected, found = make_both(root, **options)
    if options.get("subset") != "both":
        expected, found = [expected], [found]
    assert len(found) == len(expected)
    for theirs, ours in zip(expected, found, strict=True):
        assert ours.file_paths == theirs.file_paths
        assert ours.class_names == theirs.class_names
        assert len(ours) == len(theirs)
        shapes = [
            tf.nest.map_structure(lambda spec: spec.shape, dataset.element_spec)
            for dataset in (ours, theirs)
        ]
        assert shapes[0] == shapes[1]
        for _ in range(2):  # epochs: shuffled alike
            for their_part, part in zip(theirs, ours, strict=True):
                tf.nest.map_structure(compare, their_part, part)


def compare(theirs, ours):
    """Labels are equal; images have one shape, and are compared below."""
    assert theirs.shape == ours.shape
    if ours.dtype != tf.uint8:
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


def test_images_that_keep_their_size_are_those_of_keras(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(6):
        write(tmp_path / "a" / f"{number}.png", rng.integers(0, 256, SIZE, dtype=np.uint8))
    for theirs, ours in zip(*make_both(tmp_path, batch_size=4), strict=True):
        assert ours[0].dtype == tf.uint8
        np.testing.assert_array_equal(ours[0], theirs[0])


@pytest.mark.parametrize("crops", [False, True])
def test_nearest_takes_the_pixels_that_keras_takes(root, crops):
    options = {"interpolation": "nearest", "crop_to_aspect_ratio": crops, "shuffle": False}
    for theirs, ours in zip(*make_both(root, **options), strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


@pytest.mark.parametrize("shape", [(10, 60), (60, 10), (33, 47), (16, 24)])
def test_padding_keeps_the_whole_image_in_the_center(tmp_path, shape):
    write(tmp_path / "a" / "1.png", np.full(shape, 200, np.uint8))
    ((theirs, _),), ((ours, _),) = map(list, make_both(tmp_path, pad_to_aspect_ratio=True))
    theirs, ours = theirs.numpy()[0, ..., 0] == 200, ours.numpy()[0, ..., 0] == 200
    np.testing.assert_array_equal(ours.sum(0) > 0, ours.sum(0) == ours.sum(0).max())
    assert ours.sum() == theirs.sum()
    for axis in (0, 1):  # as many black rows and columns before it as after it, give or take one
        lines = np.flatnonzero(ours.any(1 - axis))
        assert 0 <= (ours.shape[axis] - 1 - lines[-1]) - lines[0] <= 1


def test_images_are_those_of_gray_batches(tmp_path):
    """Deep PNGs and DICOM under a range; where the proportions fit, a stretch is a center view."""
    rng = np.random.default_rng(0)
    for number in range(5):
        write(tmp_path / "a" / f"{number}.png", rng.integers(0, 4096, (48, 48), dtype=np.uint16))
    (tmp_path / "a" / "9.dcm").symlink_to(get_testdata_file("CT_small.dcm"))
    options = {"value_range": (0, 4095)}
    dataset = gray_dataset_from_directory(
        tmp_path, image_size=24, shuffle=False, batch_size=4, verbose=False, **options
    )
    batches = GrayBatches(tmp_path, 4, size=24, resize=24, **options)
    for (ours, label), (expected, expected_label) in zip(dataset, batches, strict=True):
        np.testing.assert_array_equal(ours, expected)
        np.testing.assert_array_equal(label, expected_label)


def test_padding_is_black_under_a_range(tmp_path):
    write(tmp_path / "a" / "1.png", np.full((10, 20), 3000, np.uint16))
    dataset = gray_dataset_from_directory(
        tmp_path, image_size=(20, 20), pad_to_aspect_ratio=True, value_range=(2000, 4000),
        verbose=False,
    )  # fmt: skip
    ((images, _),) = list(dataset)
    assert sorted(set(images.numpy().ravel())) == [0, 128]


def test_a_model_of_keras_is_trained_on_uint8(root):
    options = {"image_size": (32, 32), "verbose": False, "seed": 0}
    train, validation = gray_dataset_from_directory(
        root, validation_split=0.25, subset="both", batch_size=8, **options
    )
    core = keras.applications.MobileNet(
        weights=None, alpha=0.25, input_shape=(32, 32, 3), classes=len(train.class_names)
    )
    gray = keras.Input((32, 32, 1), dtype="uint8")
    model = keras.Model(gray, core(Prepare("imagenet")(gray)))
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = [weight.numpy().copy() for weight in model.trainable_weights[:1]]
    history = model.fit(train, validation_data=validation, epochs=1, shuffle=False, verbose=0)
    assert np.isfinite([*history.history["loss"], *history.history["val_loss"]]).all()
    assert (model.trainable_weights[0].numpy() != before[0]).any()
    images, _ = next(iter(validation))
    floats = Prepare("imagenet", value_range=(0, 255))(tf.cast(images, "float32"))
    np.testing.assert_allclose(Prepare("imagenet")(images), floats, atol=1e-5)


@pytest.mark.parametrize("batch_size", [4, None])
def test_a_bad_file(tmp_path, batch_size):
    for number in range(9):
        write(tmp_path / "a" / f"{number}.png", np.full((8, 8), number, np.uint8))
    options = {"image_size": (8, 8), "shuffle": False, "batch_size": batch_size, "verbose": False}
    strict = gray_dataset_from_directory(tmp_path, **options)
    skipping = gray_dataset_from_directory(tmp_path, on_error="skip", **options)
    (tmp_path / "a" / "2.png").unlink()
    (tmp_path / "a" / "8.png").write_bytes(b"")  # a batch of its own
    with pytest.raises(tf.errors.OpError, match=r"2\.png"):
        list(strict)
    for _ in range(2):
        with pytest.warns(
            UserWarning, match=r"^2 files skipped, .*2\.png, .*8\.png; .*The first: .*2\.png"
        ):
            parts = list(skipping)
        if batch_size:
            assert [len(images) for images, _ in parts] == [3, 4]
        values = np.concatenate([np.reshape(images, (-1, 8, 8)) for images, _ in parts])[:, 0, 0]
        assert values.tolist() == [0, 1, 3, 4, 5, 6, 7]
    assert skipping.skipped == [str(tmp_path / "a" / f"{name}.png") for name in (2, 8)]


def test_what_is_printed(root, capsys):
    gray_dataset_from_directory(root, validation_split=0.3, subset="both", seed=1)
    gray_dataset_from_directory(root, labels=None, follow_links=True)
    gray_dataset_from_directory(root, verbose=False)
    expected = keras.utils.image_dataset_from_directory
    ours = capsys.readouterr().out
    expected(root, validation_split=0.3, subset="both", seed=1)
    expected(root, labels=None, follow_links=True)
    assert ours == capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [
        {"labels": "names"},
        {"labels": [0] * 21, "class_names": ["a"]},
        {"labels": None, "class_names": ["a"]},
        {"class_names": ["a", "e"]},
        {"label_mode": "float"},
        {"label_mode": "binary"},
        {"image_size": (8, 8, 1)},
        {"image_size": "8"},
        {"interpolation": "sinc"},
        {"validation_split": 0.2},
        {"subset": "training"},
        {"validation_split": 2, "subset": "training"},
        {"validation_split": 0.2, "subset": "test"},
        {"validation_split": 0.2, "subset": "training"},
        {"data_format": "channels"},
    ],
    ids=str,
)
def test_what_keras_refuses_is_refused(root, options):
    with pytest.raises(ValueError):  # noqa: PT011 - of Keras
        keras.utils.image_dataset_from_directory(root, verbose=False, **options)
    with pytest.raises(OptionError):
        gray_dataset_from_directory(root, verbose=False, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interpolation": "lanczos5"}, "'lanczos3'"),
        ({"color_mode": "rgb"}, r'color_mode is "grayscale", not .*layers\.Prepare'),
        ({"batch_size": 0}, "batch_size"),
        ({"on_error": "ignore"}, "on_error"),
        ({"crop_to_aspect_ratio": True, "pad_to_aspect_ratio": True}, "only one of"),
        ({"class_names": ["a", "a"]}, "class_names is"),
        ({"labels": [1, 2]}, "labels has 2 numbers, and .* has 21 images"),
        ({"labels": ["a"] * 21}, "labels is a list of numbers"),
    ],
)
def test_further_refusals(root, options, message):
    with pytest.raises(OptionError, match=message):
        gray_dataset_from_directory(root, **options, verbose=False)


def test_a_split_without_images_is_refused(root):
    with pytest.raises(FileNotFoundError, match="leaves 0 for validation"):
        gray_dataset_from_directory(
            root, validation_split=0.01, subset="validation", seed=0, verbose=False
        )


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "area", "lanczos3", "nearest"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_filter_on_every_dtype(interpolation, dtype):
    """A shrunk image equals TensorFlow's antialiased one, but for rounding."""
    scale = np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1
    image = (np.random.default_rng(0).random((40, 52)) * scale).astype(dtype)
    found = FitView((16, 24), "stretch", interpolation).take(image)
    assert (found.shape, found.dtype) == ((16, 24), dtype)
    whole = tf.image.resize(
        image[..., None].astype(np.float32), (16, 24), interpolation,
        antialias=interpolation not in ("area", "nearest"),
    )  # fmt: skip
    expected = np.clip(whole[..., 0], 0, scale) if scale > 1 else whole[..., 0]
    if interpolation == "area":
        return  # TensorFlow's is another: it weighs pixels by their share alone
    np.testing.assert_allclose(found, expected, atol=1.01 if scale > 1 else 1e-5, rtol=1e-4)
