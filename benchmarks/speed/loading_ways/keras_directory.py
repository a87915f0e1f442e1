"""Keras's `image_dataset_from_directory`. TensorFlow can't be in one process with torch."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from .job import MEAN, RESIZE, SIZE, STD, Job


def open_directory(job: Job) -> Iterable[Any]:
    """Open a folder; its square center gets 256x256 pixels, of which the center is taken."""
    data = keras.utils.image_dataset_from_directory(
        str(job.root), image_size=(RESIZE, RESIZE), crop_to_aspect_ratio=True, shuffle=False,
        batch_size=job.batch, color_mode="rgb", interpolation="bilinear", verbose=False,
    )  # fmt: skip
    steps = keras.Sequential(
        [
            keras.layers.CenterCrop(SIZE, SIZE),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Normalization(mean=MEAN, variance=[std**2 for std in STD]),
        ]
    )
    options = tf.data.Options()
    options.threading.private_threadpool_size = job.threads
    options.threading.max_intra_op_parallelism = 1
    prepared = data.map(lambda images, _: steps(images), num_parallel_calls=job.threads)
    batches: Iterable[Any] = prepared.with_options(options)
    return batches
