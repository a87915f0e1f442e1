"""Headers of Python and NumPy for another system, made of the headers of this Python.

Only Python's ``pyconfig.h`` and NumPy's ``_numpyconfig.h`` differ: they have the sizes of the
64-bit system. Nothing else in them matters to a module of the limited API.
"""

import re
import shutil
import sysconfig

import numpy as np

# What PC/pyconfig.h of CPython says of 64-bit Windows, as far as headers ask for it
WINDOWS = {
    "MS_WINDOWS": 1, "MS_WIN32": 1, "MS_WIN64": 1, "NT_THREADS": 1, "Py_ENABLE_SHARED": 1,
    "HAVE_DECLSPEC_DLL": 1, "HAVE_LONG_LONG": 1, "HAVE_STDINT_H": 1, "HAVE_STDDEF_H": 1,
    "HAVE_SYS_TYPES_H": 1, "HAVE_SYS_STAT_H": 1, "HAVE_WCHAR_H": 1, "STDC_HEADERS": 1,
    "SIZEOF_SHORT": 2, "SIZEOF_INT": 4, "SIZEOF_LONG": 4, "SIZEOF_LONG_LONG": 8, "SIZEOF_VOID_P": 8,
    "SIZEOF_SIZE_T": 8, "SIZEOF_FLOAT": 4, "SIZEOF_DOUBLE": 8, "SIZEOF_WCHAR_T": 2,
    "SIZEOF_TIME_T": 8, "SIZEOF_OFF_T": 4, "SIZEOF_FPOS_T": 8, "SIZEOF_PID_T": 4,
    "ALIGNOF_SIZE_T": 8,
}  # fmt: skip
# Where _numpyconfig.h of NumPy's wheel for 64-bit Windows differs from the one for Linux
NUMPY_ON_WINDOWS = {
    "NPY_SIZEOF_LONG": "4", "NPY_SIZEOF_LONGDOUBLE": "8", "NPY_SIZEOF_COMPLEX_LONGDOUBLE": "16",
    "NPY_SIZEOF_WCHAR_T": "2", "NPY_SIZEOF_OFF_T": "4", "NPY_VISIBILITY_HIDDEN": "",
}  # fmt: skip


def make_headers(folder, system):
    """Copy the headers into `folder` for "windows" or "linux", 64 bits; return the two folders.

    The headers for "linux" are for any processor whose sizes are those of this one.
    """
    python, numpy = folder / "python", folder / "numpy"
    shutil.copytree(sysconfig.get_path("include"), python)
    shutil.copytree(np.get_include(), numpy)
    settings = python / "pyconfig.h"
    settings.unlink()
    if (
        system == "linux"
    ):  # on Debian, the file among the headers includes this one for its processor
        shutil.copy(sysconfig.get_config_h_filename(), settings)
        return python, numpy
    settings.write_text("".join(f"#define {name} {value}\n" for name, value in WINDOWS.items()))
    file = numpy / "numpy" / "_numpyconfig.h"
    text = re.sub(r"#define NPY_HAVE_ENDIAN_H .*\n", "", file.read_text())
    for name, value in NUMPY_ON_WINDOWS.items():
        text, count = re.subn(rf"(#define {name}\b).*", rf"\1 {value}", text)
        assert count == 1, f"{file} has no {name}"
    file.write_text(text)
    return python, numpy
