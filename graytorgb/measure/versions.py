"""The versions that a bug report needs: of this package, its libraries, Python and the machine.

Nothing is imported for that but the compiled kernels. Versions come from the records that pip
leaves.
"""

import os
import platform
import re
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from ..backends import registry
from ..core.processor_count import count_processors
from ..errors import BackendUnavailable
from ..extras import EXTRAS, list_distributions, require

# A requirement of torch that tells the CUDA that a wheel of PyPI was built for, whose version
# doesn't say it: those of torch's own index are named 2.9.0+cu128 and 2.9.0+cpu.
_CUDA = re.compile(r"(?:cuda-toolkit|nvidia-cuda-runtime)\b[^=<>]*==\s*([\d.]+)")
_CPU_INFO = Path("/proc/cpuinfo")  # of Linux


def describe_versions() -> str:
    """Return the versions of what is installed here as text, a line each.

    Examples
    --------
    >>> from graytorgb.measure.versions import describe_versions
    >>> [line.split()[0] for line in describe_versions().splitlines()[:4]]
    ['graytorgb', 'Python', 'system', 'processor']
    """
    found, missing = list_libraries()
    lines = {
        "graytorgb": require("graytorgb").__version__,
        "Python": _describe_python(),
        "system": platform.platform(),
        "processor": f"{_find_processor()}, {count_processors()} in use here",
        "kernels": describe_kernels(),
        **found,
        "not installed": ", ".join(missing),
    }
    width = max(13, *map(len, found)) if found else 13
    return "\n".join(f"{name:{width}} {text}".rstrip() for name, text in lines.items() if text)


def list_libraries() -> tuple[dict[str, str], list[str]]:
    """Return the version of each library that can be used, by its name for pip, and those missing.

    Returns
    -------
    found : dict of str to str
        NumPy first. A version of torch also tells the CUDA that it was built for.
    missing : list of str
        The libraries that aren't installed, by their names for pip.
    """
    found, missing = {}, []
    for library in ("numpy", *EXTRAS):
        names = list_distributions(library)
        versions = {name: text for name in names if (text := _find_version(name))}
        found.update(versions)
        if not versions:
            missing.append(names[0])
    return found, missing


def describe_kernels() -> str:
    """Return whether the compiled kernels work, with their instruction set, or why they don't."""
    try:
        registry.import_backend("native", registry.version)
    except BackendUnavailable as error:
        return f"{'not compiled' if error.missing else 'broken'}: {error}"
    kernels = require("graytorgb._kernels")
    return f"compiled, {kernels.__version__} (of {', '.join(kernels.levels)})"


def _describe_python() -> str:
    bits = 64 if sys.maxsize > 1 << 32 else 32
    free = ", free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    return f"{platform.python_version()} ({platform.python_implementation()}, {bits} bits{free})"


def _find_processor() -> str:
    """Return the name of the processor, from the system."""
    name = os.environ.get("PROCESSOR_IDENTIFIER", "")  # Windows
    if _CPU_INFO.is_file():
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
        names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
        name = next(names, "").strip()
    return f"{name} ({platform.machine()})" if name else platform.machine()


def _find_version(distribution: str) -> str | None:
    """Return the version of a distribution, or None if it isn't installed."""
    try:
        found = version(distribution)
        needs = requires(distribution) if distribution == "torch" else None
    except PackageNotFoundError:
        return None
    cuda = next(filter(None, map(_CUDA.match, needs or ())), None)
    return f"{found} (for CUDA {cuda[1]})" if cuda and "+" not in found else found
