"""A folder as the target of a conversion: one file for each image, in the tree of the source."""

import errno
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path, PurePosixPath

from ...errors import GrayToRGBError, OptionError, TargetError
from ...io.formats import name_format
from ..conversions.encoding import FILE_FORMATS, choose_format, encode
from ..conversions.options import Options
from ..conversions.planned import PlannedImage
from ..conversions.reading import convert_images
from .journal import MARK
from .protocol import Outcome, Plan, Request, Target, Task

KEPT = "graytorgb-convert.jsonl"

_numbers = count()
_ARRAY_IMAGE = re.compile(r"(.*?)((?:\[[^][]*\])+)", re.DOTALL)  # "stack.npy[1,17]"
# Errors of the file's name or place alone; after any other the run can't go on.
_ONE_FILE_ONLY = (errno.ENAMETOOLONG, errno.EILSEQ)


class FolderTarget(Target):
    """A folder of image files. See :class:`graytorgb.datasets.targets.protocol.Target`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept = self.path / KEPT

    def check(self, plan: Plan, options: Options) -> None:
        """Raise OptionError if the files' format can't hold an image."""
        if options.format is None:
            return
        entry = FILE_FORMATS[options.format]
        if options.to == "gray" and not entry.holds_gray:
            names = ", ".join(f'"{n}"' for n, each in FILE_FORMATS.items() if each.holds_gray)
            problem = f"{entry.name} has no images of one channel"
            error = OptionError(
                f'{problem}: convert(..., to="gray", format=...) with one of {names}'
            )
            error.remedies, error.problem = ("format",), problem
            raise error
        refused = [(dtype, n) for _, dtype, n in plan.list_kinds() if dtype not in entry.dtypes]
        if refused:
            raise _refuse_dtypes(entry.name, refused)

    def describe(self, dtype: str, options: Options) -> str:
        """Return the format of the files, and what they hold."""
        name = FILE_FORMATS[choose_format(options.format, dtype)].name
        return f"{name}, {super().describe(dtype, options)}"

    def list_tasks(self, plan: Plan, options: Options) -> Iterator[Task]:
        """Yield a task for each image; its key is the path of the file in the folder."""
        for number, image in enumerate(plan):
            yield Task(name_file(image, options), number, (image,))

    def is_done(self, task: Task, size: int) -> bool:
        """Return whether the file is there, and has the size that was recorded."""
        path = self.path / task.key
        try:
            return not path.is_symlink() and path.is_file() and path.stat().st_size == size
        except OSError:
            return False

    def list_foreign(self, task: Task) -> Iterable[Path]:
        """Return what lies at the file's name, or a file where its folder is to be."""
        path = self.path / task.key
        if os.path.lexists(path):
            return [path]
        parents = path.parents[: len(PurePosixPath(task.key).parts) - 1]
        return [parent for parent in parents if os.path.lexists(parent) and not parent.is_dir()]

    def still_has(self, key: str) -> bool:
        """Return whether a file of an earlier run is there."""
        return os.path.lexists(self.path / key)

    def write(self, task: Task, request: Request) -> Outcome:
        """Write one file: its bytes under a temporary name, which is renamed at the end."""
        ((planned, pixels, image, error, notes),) = convert_images(task.images, request.options)
        if pixels is None or image is None:
            return Outcome(task, -1, ((planned, error),))
        try:
            data = encode(pixels, choose_format(request.options.format, planned.dtype))
        except GrayToRGBError:
            raise
        except Exception as problem:  # codecs have classes of their own
            return Outcome(task, -1, ((planned, f"it can't be encoded: {problem}"),))
        try:
            self._put(task.key, data, request)
        except OSError as problem:
            if problem.errno not in _ONE_FILE_ONLY:
                raise
            return Outcome(task, -1, ((planned, f"its target: {problem.strerror}"),))
        stated = planned.value_range if request.options.read_arguments() else image.value_range
        details = {
            "path": planned.name, "shape": pixels.shape, "dtype": planned.dtype,
            "value_range": stated,
        }  # fmt: skip
        turn = image.orientation if request.options.orientation == "keep" else 1
        if turn != 1:
            details["orientation"] = turn
        return Outcome(task, len(data), (), notes, details)

    def _put(self, key: str, data: bytes, request: Request) -> None:
        """Write a file, which has its name only when it is whole."""
        path = self.path / key
        written = path.with_name(f"{request.mark}{os.getpid()}-{next(_numbers)}")
        try:
            file = written.open("xb")
        except FileNotFoundError:
            request.guard.check()  # before folders are made, which nobody may want any more
            path.parent.mkdir(parents=True, exist_ok=True)
            file = written.open("xb")
        try:
            with file:
                file.write(data)
            request.guard.check()
            written.replace(path)
        except BaseException:
            written.unlink(missing_ok=True)
            raise

    def list_temporaries(self) -> Iterable[Path]:
        """Yield every temporary file in the tree."""
        for folder, _, names in os.walk(self.path):
            yield from (Path(folder, name) for name in names if name.startswith(MARK))


def name_file(image: PlannedImage, options: Options) -> str:
    """Return the path of an image's file in the target.

    It is the path in the source with the suffix of the new format. A suffix that no image format
    has is part of the name, as in the names of DICOM files, ``1.2.840.10008``. An image of several
    has its number, from 0, in the name.

    Raises
    ------
    TargetError
        If the path leads out of the source.
    """
    path, numbers = image.item.path, ""
    if image.item.index is not None and (found := _ARRAY_IMAGE.fullmatch(path)):
        path, numbers = found.groups()
    if image.frames > 1:
        numbers = f"{numbers},{image.frame}"
    place = PurePosixPath(path.replace(os.sep, "/"))
    if place.is_absolute() or ".." in place.parts or not place.name:
        raise TargetError(f"{image.name} lies outside of the source, so it has no place in a tree")
    stem = place.stem if name_format(place.suffix) else place.name
    for part in re.findall(r"[^][,/]+", numbers):
        stem += f"_{int(part):06d}" if part.isascii() and part.isdecimal() else f"_{part}"
    suffix = FILE_FORMATS[choose_format(options.format, image.dtype)].suffix
    return str(place.with_name(f"{stem}{suffix}"))


def _refuse_dtypes(name: str, refused: list[tuple[str, int]]) -> OptionError:
    """Return the error for images that a format can't hold."""
    counts: Counter[str] = Counter()
    for dtype, n in refused:  # a line for each size
        counts[dtype] += n
    told = ", ".join(f"{n:,} of {dtype}" for dtype, n in counts.items())
    held = next(each for each in FILE_FORMATS.values() if each.name == name).dtypes
    is_deep = "uint16" not in held
    eight = "convert(..., bits=8, value_range=(lo, hi)) for 8 bits, or " if is_deep else ""
    problem = (
        f"{name} holds {', '.join(held)}, and there are images of other dtypes ({told}), whose "
        "values would be lost"
    )
    error = OptionError(
        f"{problem}: {eight}convert(..., format=None) for PNG, and TIFF where PNG can't hold them"
    )
    error.remedies = ("bits", "value_range", "format") if is_deep else ("format",)
    error.problem = problem
    return error
