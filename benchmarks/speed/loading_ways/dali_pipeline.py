"""NVIDIA's DALI on the processor, without a GPU: as it decodes to RGB, and to GRAY."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from nvidia.dali import fn, pipeline_def, types

from .job import MEAN, RESIZE, SIZE, STD, Job

_WARM = 2  # batches, in which a pipeline allocates its memory
_AHEAD = 2  # batches that a pipeline works on at a time: DALI's default


def open_rgb(job: Job) -> Iterable[Any]:
    """Open a folder whose batches have three channels."""
    mean, std = [255 * each for each in MEAN], [255 * each for each in STD]
    return open_pipeline(job, types.RGB, mean, std)


def open_gray(job: Job) -> Iterable[Any]:
    """Open a folder whose batches have one channel of 0 to 1."""
    return open_pipeline(job, types.GRAY, [0.0], [255.0])


def open_pipeline(job: Job, colors: Any, mean: list[float], std: list[float]) -> Iterable[Any]:
    """Build a pipeline, run two batches ahead, and return the batches that follow: the folder."""
    paths = [str(path) for path in job.paths]
    warm = [paths[n % len(paths)] for n in range(_WARM * job.batch)]
    pipeline = _describe(
        warm + paths, colors, mean, std, batch_size=job.batch, num_threads=job.threads,
        device_id=None, prefetch_queue_depth=_AHEAD,
    )  # fmt: skip
    pipeline.build()
    for _ in _run(pipeline, _WARM):
        pass
    whole = len(paths) // job.batch
    if whole * job.batch != len(paths):
        raise ValueError(f"{len(paths)} files aren't batches of {job.batch}, which DALI needs")
    return _run(pipeline, whole)


@pipeline_def
def _describe(paths: list[str], colors: Any, mean: list[float], std: list[float]) -> Any:
    files, _ = fn.readers.file(files=paths)
    images = fn.decoders.image(files, device="cpu", output_type=colors)
    images = fn.resize(
        images, resize_shorter=RESIZE, interp_type=types.INTERP_LINEAR, antialias=True
    )
    return fn.crop_mirror_normalize(
        images, dtype=types.FLOAT, output_layout="CHW", crop=(SIZE, SIZE), mean=mean, std=std,
        rounding="truncate",
    )  # fmt: skip


def _run(pipeline: Any, count: int) -> Iterator[Any]:
    """Yield batches, which hold until the next one. No further ones are begun, as `run` would."""
    begun = min(_AHEAD, count)
    for _ in range(begun):
        pipeline.schedule_run()
    for _ in range(count):
        (images,) = pipeline.share_outputs()
        yield np.asarray(images.as_tensor())
        pipeline.release_outputs()
        if begun < count:
            pipeline.schedule_run()
            begun += 1
