"""``ShardTarget``: a target that several processes write shard by shard, and that is named last.

Until the end, all that is written lies in one hidden folder, so that no reader takes an unfinished
target for a whole one. In this folder are

- ``shards-.../NUMBER``: each shard under its task's fingerprint, and beside it a file of JSON with
  a :class:`Row` for each of its images, or null for one that can't be read;
- ``final-...``: the files of the target under their names, while they are put together from the
  shards;
- ``scratch``: files that aren't whole yet.

An image that turns out to be unreadable leaves no row: the rows after it move up at the end.
"""

import json
from collections.abc import Iterable, Iterator
from glob import escape
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TargetError
from .conversion_options import Options
from .conversion_reading import convert_images
from .journal import MARK
from .publication import Publication
from .rows import Row, Summary, describe_image, digest_missing
from .shard_format import NoEntry, ShardFormat, ShardTask
from .staging import Staging, count_bytes, remove
from .targets import Outcome, Plan, PlannedImage, Request, Task


class ShardTarget(ShardFormat):
    """A target that is cut into shards: what is the same for all formats.

    Attributes
    ----------
    digest : str
        What differs for other images, options or another form.
    is_finished : bool
        Whether the target is whole, and made of the same images by the same options.
    """

    digest: str
    is_finished = False
    _checked: tuple[int, Options] | None = None  # the plan stays the same until images fail

    @property
    def publication(self) -> Publication:
        """How the files of the target get their names."""
        return Publication(self.partial, self.mark)

    def find_final(self, missing: str = "none") -> Path:
        """Return the folder that the files are put together in, without the missing images."""
        return self.partial / f"final-{self.digest}-{missing}"

    def check(self, plan: Plan, options: Options) -> None:
        """Find what all shards have in common, and whether the target is whole already."""
        if self._checked == (len(plan), options):
            return
        self.options = options
        self.form = self.find_form(plan, options) if len(plan) else {"per_shard": 1, "classes": {}}
        told = json.dumps([options.fingerprint(), options.describe(), self.form])
        self.common = sha256(told.encode()).hexdigest()[:16]
        self.count = len(plan)
        digest = sha256(self.common.encode())
        for image in plan:
            digest.update(repr(image.identify()).encode(errors="surrogatepass"))
        self.digest = digest.hexdigest()[:32]
        self.is_finished = self._is_whole()
        self._checked = (len(plan), options)

    def list_tasks(self, plan: Plan, options: Options) -> Iterator[Task]:
        """Yield a task for each shard."""
        self.check(plan, options)
        images, per_shard = iter(plan), self.form["per_shard"]
        for number, start in enumerate(range(0, len(plan), per_shard)):
            part = tuple(islice(images, per_shard))
            yield ShardTask(f"shard {number:06d}", start, part, self.common)

    def is_done(self, task: Task, size: int) -> bool:
        """Return whether the shard is there, alone or as a part of the target."""
        final = self.find_final()
        if self.is_finished or self.publication.is_ready(final):
            return True
        if self.has_assembled(final, self._find_number(task)):
            return True
        shard = self._find_shard(task)
        return shard.exists() and shard.stat().st_size == size

    def list_foreign(self, task: Task) -> Iterable[Path]:
        """Return what already has the name of a file of the target."""
        if task.start:
            return []
        return [path for path in self._list_files() if path.exists()]

    def still_has(self, key: str) -> bool:
        """Return whether a shard is part of the target that is there, if only with gaps."""
        start = int(key.rpartition(" ")[2]) * self.form["per_shard"]
        return self.mark.exists() and start < self.count

    def prepare(self, plan: Plan, request: Request) -> None:
        """Remove what is unfinished of other images or options."""
        for folder in self.partial.glob("final-*"):
            if not folder.name.startswith(f"final-{self.digest}-"):
                self.publication.discard(folder)
        for folder in self.partial.glob("shards-*"):
            if folder.name != f"shards-{self.common}":
                remove(folder)

    def write(self, task: Task, request: Request) -> Outcome:
        """Write one shard, with the images that can be read."""
        staging = self._stage(request)
        rows: list[Row | None] = []
        errors: list[tuple[PlannedImage, str]] = []
        notes: dict[str, None] = {}
        path = self._find_shard(task)
        with staging.replacing(path) as written, self.open_shard(written, task) as shard:
            for result in convert_images(task.images, request.options):
                error = result.error
                if result.pixels is not None:
                    try:
                        entry = self.make_entry(result, request.options)
                    except NoEntry as problem:
                        error = str(problem)
                notes.update(dict.fromkeys(result.notes))
                row = None if error else describe_image(result)
                rows.append(row)
                if row is None:
                    errors.append((result.planned, error))
                    shard.skip()
                else:
                    shard.add(entry, row)
        staging.write(path.with_suffix(".json"), json.dumps(rows).encode())
        return Outcome(task, path.stat().st_size, tuple(errors), tuple(notes))

    def finish(self, plan: Plan, request: Request) -> None:
        """Put the target together, replace the one that was there, and remove what is left."""
        self.check(plan, request.options)
        failed = digest_missing(np.fromiter(plan.list_failed(), np.int64))
        if self.is_finished and self._read_made()["missing"] == failed:
            remove(self.partial)
            return
        request.guard.check()
        final: Path | None = self.find_final()
        if not self.publication.is_ready(self.find_final()):
            final = self._assemble(plan, request)
        if final is not None:
            self.publication.publish(final, self._list_files())
        remove(self.partial)

    def list_temporaries(self) -> Iterable[Path]:
        """Return the files that a killed run left unfinished."""
        kept = self.kept.parent.glob(f"{MARK}*-{escape(self.kept.name)}")
        return [*(self.partial / "scratch").glob("*"), *kept]

    def _list_files(self) -> set[Path]:
        return {self.mark, self.notes, *self.list_data()}

    def _is_whole(self) -> bool:
        """Return whether the target that is there is of these images, and has all its bytes."""
        if not self.mark.exists():
            return False
        made = self._read_made()
        size = sum(map(count_bytes, self.list_data()))
        return (made.get("digest"), made.get("bytes")) == (self.digest, size)

    def _read_made(self) -> dict[str, Any]:
        """Return what the target that is there says of how it was made; it may be another's."""
        made = self.read_attributes().get("graytorgb")
        return made if isinstance(made, dict) else {}

    def read_attributes(self) -> dict[str, Any]:
        """Return the attributes of the target that is there."""
        try:
            attributes = json.loads(self.notes.read_bytes())
        except (OSError, ValueError):
            return {}
        return attributes if isinstance(attributes, dict) else {}

    def _assemble(self, plan: Plan, request: Request) -> Path | None:
        """Put the target together of the shards of the plan, and return its folder.

        Returns
        -------
        Path or None
            None if no image could be read.
        """
        shards: list[Path] = []
        lost: dict[Path, int] = {}  # the worker died, so that no image of the shard was read
        failed = set(plan.list_failed())
        for task in self.list_tasks(plan, request.options):
            shards.append(self._find_shard(task))
            if not self._has_shard(task):
                if failed.issuperset(range(task.start, task.start + len(task.images))):
                    lost[shards[-1]] = len(task.images)
                else:  # the target is whole, and images that were missing can be read now
                    self._write_again(task, request)

        def read_rows() -> Iterator[Row | None]:
            for shard in shards:
                if shard in lost:
                    yield from [None] * lost[shard]
                    continue
                for row in json.loads(shard.with_suffix(".json").read_bytes()):
                    yield Row(*row) if row else None

        summary = Summary.of_rows(read_rows(), request.options)
        if not summary.count:
            return None
        final = self.find_final(self.tell_missing(summary))
        if self.publication.is_ready(final):
            return final
        final.mkdir(parents=True, exist_ok=True)
        names = self.assemble(final, shards, summary, filter(None, read_rows()))
        made = {
            "digest": self.digest, "missing": summary.digest,
            "options": request.options.describe(),
            "bytes": sum(count_bytes(final / name) for name in names),
        }  # fmt: skip
        attributes = {
            "classes": list(self.form["classes"]), "value_range": summary.value_range,
            "graytorgb": made,
        }  # fmt: skip
        self.write_notes(final / self.notes.name, attributes, summary, filter(None, read_rows()))
        self.publication.make_ready(final, [*names, self.notes.name], self._stage(request))
        return final

    def _write_again(self, task: Task, request: Request) -> None:
        """Write a shard in this process, of images that could be read before."""
        for image, error in self.write(task, request).errors:
            remove(self._find_shard(task))
            raise TargetError(
                f"{image.name} is in {self.path}, and can't be read any more: {error}. The target "
                "stays as it was; run the same conversion again when the file can be read"
            )

    def _stage(self, request: Request) -> Staging:
        return Staging(self.partial / "scratch", request.mark, request.guard.check)

    def tell_missing(self, summary: Summary) -> str:
        """Return what differs for other missing images, where the shards depend on them."""
        return summary.digest

    def _has_shard(self, task: Task) -> bool:
        number = self._find_number(task)
        return self._find_shard(task).exists() or self.has_assembled(self.find_final(), number)

    def _find_number(self, task: Task) -> int:
        number: int = task.start // self.form["per_shard"]
        return number

    def _find_shard(self, task: Task) -> Path:
        folder = self.partial / f"shards-{self.common}" / str(self._find_number(task))
        return folder / task.fingerprint(self.options)
