"""SPDL: threads that decode and resize by FFmpeg, or by any function that frees the GIL."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import spdl.io
import torch
from spdl.pipeline import Pipeline, PipelineBuilder
from torchvision.transforms import v2

from .job import MEAN, RESIZE, SIZE, STD, Job
from .opencv_by_hand import read_input

_AHEAD = 3  # batches, as in SPDL's examples


def open_rgb(job: Job) -> Iterable[Any]:
    """Open a folder whose batches have three channels."""
    return _open_decoded(job, "rgb24", v2.Normalize(list(MEAN), list(STD)))


def open_gray(job: Job) -> Iterable[Any]:
    """Open a folder whose batches have one channel, with the whole depth."""
    return _open_decoded(job, "gray16le" if job.kind.is_deep else "gray", None)


def open_opencv(job: Job) -> Iterable[Any]:
    """Open a folder whose images are made by OpenCV in SPDL's threads."""
    builder = PipelineBuilder().add_source([str(path) for path in job.paths])
    read = partial(read_input, white=job.white)
    builder = builder.pipe(read, concurrency=job.threads, output_order="input")
    builder = builder.aggregate(job.batch).pipe(np.stack).add_sink(_AHEAD)
    return _run(builder.build(num_threads=job.threads))


def _open_decoded(job: Job, pixels: str, normalize: Callable[[Any], Any] | None) -> Iterable[Any]:
    spdl.io.demux_image(str(job.paths[0]))  # an error if FFmpeg's libraries aren't there
    paths = [str(path) for path in job.paths]
    batches = [paths[start : start + job.batch] for start in range(0, len(paths), job.batch)]
    load = partial(_load, pixels=pixels, normalize=normalize)
    builder = PipelineBuilder().add_source(batches)
    builder = builder.pipe(load, concurrency=job.threads, output_order="input").add_sink(_AHEAD)
    return _run(builder.build(num_threads=job.threads))


def _load(paths: list[str], pixels: str, normalize: Callable[[Any], Any] | None) -> torch.Tensor:
    filters = (
        f"scale={RESIZE}:{RESIZE}:force_original_aspect_ratio=increase:flags=bilinear,"
        f"crop={SIZE}:{SIZE},format=pix_fmts={pixels}"
    )
    buffer = spdl.io.load_image_batch(
        paths, width=None, height=None, pix_fmt=None, filter_desc=filters
    )
    images = torch.from_numpy(spdl.io.to_numpy(buffer))
    if images.dtype != torch.uint16:  # which has the channel first
        images = images.permute(0, 3, 1, 2)
    scaled = v2.functional.to_dtype(images, torch.float32, scale=True).contiguous()
    return normalize(scaled) if normalize else scaled


def _run(pipeline: Pipeline[Any]) -> Iterator[Any]:
    with pipeline.auto_stop():
        yield from pipeline.get_iterator()
