"""Optional libraries: import by name, and say which extra of this package installs what is missing.

This is the one module that imports by name; :data:`EXTRAS` is the one list of libraries and extras.
"""

import importlib
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from types import MappingProxyType
from typing import Any

from .errors import BackendUnavailable

__all__ = [
    "EXTENSION_SUFFIXES",
    "EXTRAS",
    "describe_version",
    "is_missing",
    "list_distributions",
    "require",
]

# A library, by the name that it is imported by, and the extra in setup.cfg that installs it. The
# table of file formats names the extra of a format, because its reader needs several libraries.
EXTRAS = MappingProxyType(
    {
        "PIL": "pillow",
        "ai_edge_litert": "litert",
        "albumentations": "albumentations",
        "array_api_compat": "array-api",
        "click": "cli",
        "coremltools": "coreml",
        "cpuinfo": "bench",
        "cv2": "opencv",
        "dask": "dask",
        "distributed": "cluster",
        "executorch": "executorch",
        "fsspec": "remote",
        "hypothesis": "testing",
        "imagecodecs": "io",
        "jax": "jax",
        "jinja2": "html",
        "keras": "keras",
        "kornia_rs": "png",
        "litert_torch": "litert",
        "loky": "datasets",
        "matplotlib": "bench",
        "onnx": "onnx",
        "onnxruntime": "onnx",
        "onnxscript": "onnxruntime",
        "openvino": "openvino",
        "psutil": "bench",
        "pyarrow": "parquet",
        "pydicom": "dicom",
        "pytest": "testing",
        "rich": "cli",
        "safetensors": "models",
        "simplejpeg": "jpeg",
        "skimage": "skimage",
        "tensorflow": "tensorflow",
        "tf2onnx": "onnxruntime",
        "threadpoolctl": "bench",
        "tifffile": "tiff",
        "timm": "timm",
        "torch": "models",
        "torchdata": "resume",
        "torchvision": "torchvision",
        "xxhash": "datasets",
        "zarr": "zarr",
    }
)

# The distributions that have a library, as pip names them, where that isn't the library's own name.
# Several are builds of one library.
_DISTRIBUTIONS = MappingProxyType(
    {
        "PIL": ("pillow", "pillow-simd"),
        "cpuinfo": ("py-cpuinfo",),
        "cv2": (
            "opencv-python",
            "opencv-python-headless",
            "opencv-contrib-python",
            "opencv-contrib-python-headless",
        ),
        "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml"),
        "skimage": ("scikit-image",),
        "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly"),
    }
)


def list_distributions(library: str) -> tuple[str, ...]:
    """Return the names by which pip may have installed a library.

    >>> list_distributions("skimage"), list_distributions("kornia_rs")
    (('scikit-image',), ('kornia-rs',))
    """
    return _DISTRIBUTIONS.get(library, (library.replace("_", "-"),))


def require(module: str, library: str | None = None, extra: str | None = None) -> Any:
    """Import a module, or raise an error that says how to install the library that it needs.

    Parameters
    ----------
    module : str
        The dotted name of a library, of a part of one, or of a module of this package.
    library : str, optional
        The library that the module needs. By default it is the library that `module` is in; for a
        module of this package it is the one of :data:`EXTRAS` whose import failed.
    extra : str, optional
        The extra that installs it, where that isn't what :data:`EXTRAS` says.

    Returns
    -------
    module
        The imported module.

    Raises
    ------
    BackendUnavailable
        "needs ...: pip install ..." if the library isn't installed, "is installed but failed to
        import" if it is. The import's own error is the cause.
    """
    try:
        return importlib.import_module(module)
    except Exception as error:  # an extension module can fail with any class
        library = library or _find_culprit(module, error)
        if library is None:
            raise
        missing = is_missing(library)
        if missing:
            extra = extra or EXTRAS.get(library)
            remedy = f": pip install 'graytorgb[{extra}]'" if extra else ", which isn't installed"
            unavailable = BackendUnavailable(f"needs {library}{remedy}")
        else:
            unavailable = BackendUnavailable(
                f"can't be used: {library} is installed but failed to import: {error}"
            )
        unavailable.missing = missing
        raise unavailable from error


def _find_culprit(module: str, error: Exception) -> str | None:
    """Return the library whose import made the import of `module` fail, or None if none did."""
    top = module.partition(".")[0]
    if top != __package__:
        return top
    names = [error.name or ""] if isinstance(error, ImportError) else []
    trace = error.__traceback__
    while trace is not None:  # the modules that were being imported, the outermost first
        names.append(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    libraries = (name.partition(".")[0] for name in names)
    return next((library for library in libraries if library in EXTRAS), None)


def is_missing(library: str) -> bool:
    """Return whether a library isn't installed; a broken one is installed, so it isn't missing."""
    try:
        return find_spec(library) is None
    except ValueError:  # sys.modules has an entry of this name without a spec
        return True


def describe_version(library: str) -> str:
    """Return the name and the version of a library that can be imported."""
    imported = importlib.import_module(library)
    return f"{imported.__name__} {getattr(imported, '__version__', 'of unknown version')}"
