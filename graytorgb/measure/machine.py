"""The machine that measures: what a reader needs to judge a figure, and nothing that names it."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import cpuinfo
import psutil
import threadpoolctl

_PACKAGES = (
    "graytorgb",
    "numpy",
    "opencv-python",
    "opencv-python-headless",
    "scikit-image",
    "pillow",
    "torch",
    "torchvision",
)


def describe() -> dict[str, Any]:
    """Processor, caches in bytes, memory in bytes, system, versions and thread pools."""
    cpu = cpuinfo.get_cpu_info()
    return {
        "processor": cpu.get("brand_raw", platform.processor()),
        "architecture": platform.machine(),
        "instructions": [
            f for f in ("sse2", "avx2", "avx512f", "asimd") if f in cpu.get("flags", ())
        ],
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": psutil.cpu_count(),
        "cache_l2_bytes": _bytes(cpu.get("l2_cache_size")),
        "cache_l3_bytes": _bytes(cpu.get("l3_cache_size")),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": _versions(),
        "thread_pools": [
            {"library": pool["internal_api"], "threads": pool["num_threads"]}
            for pool in threadpoolctl.threadpool_info()
        ],
    }


def one_line(machine: dict[str, Any]) -> str:
    """The description in a line, for a caption."""
    memory = machine["memory_bytes"] / 2**30
    return (
        f"{machine['processor']}, {machine['cores']} cores, {memory:.0f} GiB, "
        f"{machine['system']}, Python {machine['python']}, numpy {machine['packages']['numpy']}"
    )


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _bytes(size: Any) -> int | None:
    return size if isinstance(size, int) else None
