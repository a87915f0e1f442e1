"""The machine: what a reader needs to judge a measurement, and nothing that identifies it."""

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


def describe_machine() -> dict[str, Any]:
    """Return the processor, sizes in bytes, the system, versions and thread pools, as JSON."""
    cpu = cpuinfo.get_cpu_info()
    return {
        "processor": cpu.get("brand_raw", platform.processor()),
        "architecture": platform.machine(),
        "instructions": [
            f for f in ("sse2", "avx2", "avx512f", "asimd") if f in cpu.get("flags", ())
        ],
        "cores": psutil.cpu_count(logical=False) or psutil.cpu_count(),
        "threads": psutil.cpu_count(),
        "cache_l2_bytes": _int_or_none(cpu.get("l2_cache_size")),
        "cache_l3_bytes": _int_or_none(cpu.get("l3_cache_size")),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": _find_versions(),
        "thread_pools": [
            {"library": pool["internal_api"], "threads": pool["num_threads"]}
            for pool in threadpoolctl.threadpool_info()
        ],
    }


def summarize_machine(machine: dict[str, Any]) -> str:
    """Return the description of a machine in one line, for a caption."""
    memory = machine["memory_bytes"] / 2**30
    return (
        f"{machine['processor']}, {machine['cores']} cores, {memory:.0f} GiB, "
        f"{machine['system']}, Python {machine['python']}, numpy {machine['packages']['numpy']}"
    )


def _find_versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _int_or_none(size: Any) -> int | None:
    return size if isinstance(size, int) else None
