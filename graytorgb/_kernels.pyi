"""The compiled kernels, from the C sources in ``_native``."""

from typing import Any

from numpy.typing import DTypeLike, NDArray

Buffer = NDArray[Any]  # any object with the buffer protocol; here always an array

__version__: str  # the best of `levels`
levels: tuple[str, ...]
most_threads: int
stream_from: int
stream_from_a_thread: int

def expand(
    gray: Buffer,
    out: Buffer,
    before: int,
    after: int,
    width: int,
    interleaved: bool,
    stream: bool,
    threads: int,
    level: int,
    /,
) -> None: ...
def expand_alone(gray: NDArray[Any], axis: int, out: NDArray[Any] | None, /) -> NDArray[Any]: ...
def normalize(
    gray: Buffer,
    out: Buffer,
    before: int,
    after: int,
    source: int,
    target: int,
    constants: Buffer,
    interleaved: bool,
    stream: bool,
    threads: int,
    level: int,
    /,
) -> bool: ...
def count(
    values: Buffer, counts: Buffer, width: int, first: int, period: int, used: int, /
) -> None: ...
def spread(pixels: Buffer, width: int, period: int, most: int, /) -> tuple[int, int]: ...
def resize(
    plane: Buffer,
    out: Buffer,
    height: int,
    width: int,
    top: int,
    left: int,
    mirrored: bool,
    level: int,
    /,
) -> None: ...
def write(out: Buffer, stream: bool, threads: int, /) -> None: ...
def empty(shape: tuple[int, ...], dtype: DTypeLike, /) -> tuple[NDArray[Any], bool]: ...
def cache_info() -> tuple[int, int, int, int, int, int]: ...
def set_cache_limit(limit: int, /) -> None: ...
