"""What TensorFlow and Keras make of a file: equal to the libraries, which aren't beside torch."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ..inspection.loader_files import WRITERS
from ..inspection.loader_results import check_files, write_files

SUFFIXES = sorted({name.partition(".")[2] for name in WRITERS})


pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's, and of unused depth


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("files"))


def by_tensorflow(path):
    return tf.io.decode_image(path.read_bytes()).numpy()


def by_keras(path):
    """Load as `image_dataset_from_directory`'s examples do; `img_to_array` makes float32 of it."""
    image = keras.utils.load_img(path)
    pixels = np.asarray(image)
    np.testing.assert_array_equal(keras.utils.img_to_array(image), pixels)
    return pixels


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_tensorflow(folder, suffix):
    counts = suffix != "jpg"  # find_losses doesn't decode a JPEG again
    checked = check_files("tensorflow", by_tensorflow, folder.glob(f"*.{suffix}"), counts=counts)
    assert (checked > 0) == (suffix in ("png", "jpg", "webp", "gif", "bmp"))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_keras(folder, suffix):
    checked = check_files("keras", by_keras, folder.glob(f"*.{suffix}"))
    assert (checked > 0) == (suffix != "npy")
