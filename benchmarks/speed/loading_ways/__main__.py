"""The process of one way: it gets jobs as lines of JSON, and answers each by a line.

It is kept between jobs, so that imports are never timed. A job is checked (batches are compared
with the reference, which also warms the way up) or timed (its batches are taken once).
"""

import gc
import json
import os
import sys
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np

from ...photo_files import KINDS
from ...usage import use
from .job import Job
from .reference import compare
from .table import WAYS, Way


@dataclass(frozen=True)
class Request:
    """What the process is asked: a job, and the file of its reference if it is to be checked."""

    root: str
    kind: str
    workers: int
    batch: int
    reference: str = ""

    def to_line(self) -> str:
        """Return the line that asks it."""
        return json.dumps(asdict(self)) + "\n"

    def with_reference(self, root: Path, reference: Path) -> Self:
        """Return the request to check other files, whose reference is known."""
        return replace(self, root=str(root), reference=str(reference))

    def to_job(self) -> Job:
        """Return the job."""
        kind = next(each for each in KINDS if each.name == self.kind)
        return Job(Path(self.root), kind, self.workers, self.batch)


def answer(way: Way, request: Request) -> dict[str, Any]:
    """Do what is asked and return what was found, or the error."""
    job = request.to_job()
    try:
        batches = way.load()(job)
        if request.reference:
            expected = np.load(request.reference)
            return compare(batches, job, way.form, way.layout, expected)._asdict()
        gc.collect()
        images = 0

        def take_all() -> None:
            nonlocal images
            for batch in batches:
                images += len(batch)

        used = use(take_all)
    except Exception as error:  # anything that a library raises
        text = " ".join(str(error).split())
        return {"error": f"{type(error).__name__}: {text[:200]}"}
    return {"images": images, **used._asdict()}


def limit_threads() -> None:
    """Let the libraries that are imported use one thread in an operation."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    if opencv := sys.modules.get("cv2"):
        opencv.setNumThreads(1)


def serve(way: Way, requests: TextIO, replies: TextIO) -> None:
    """Answer each line."""
    for line in requests:
        found = answer(way, Request(**json.loads(line)))
        replies.write(json.dumps(found) + "\n")
        replies.flush()


def main() -> None:
    """Serve the way that the first argument names."""
    warnings.simplefilter("ignore")
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what libraries print isn't an answer
    way = WAYS[sys.argv[1]]
    try:
        way.load()
    except ImportError as error:  # such as FFmpeg's libraries, which no package has
        replies.write(json.dumps({"error": f"{type(error).__name__}: {error}"}) + "\n")
        return
    limit_threads()
    replies.write("{}\n")
    replies.flush()
    serve(way, sys.stdin, replies)


if __name__ == "__main__":
    main()
