"""Copies of the package in folders of their own, and a Python that sees nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import graytorgb

PACKAGE = Path(graytorgb.__file__).parent
STATUS = (
    "import graytorgb; info = graytorgb.list_backends()['native']; print(info.status, info.why)"
)


def copy_package(folder):
    """Copy the package into `folder`, without compiled kernels; return the copy's folder."""
    ignored = shutil.ignore_patterns("*.so", "*.pyd", "*.log", "__pycache__")
    return Path(shutil.copytree(PACKAGE, folder / "graytorgb", ignore=ignored))


def source_tree(folder):
    """Copy what a checkout has beside the package too, as far as it matters."""
    copy = copy_package(folder)
    (folder / "setup.py").touch()
    (copy / "_native").mkdir(exist_ok=True)
    return copy


def installed(folder, url=None, **origin):
    """Copy the package as pip does, with the record of where it came from."""
    copy = copy_package(folder)
    record = folder / "graytorgb-0.1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: graytorgb\nVersion: 0.1.0\n")
    if url:
        (record / "direct_url.json").write_text(json.dumps({"url": url, **origin}))
    return copy


def python(code, *paths, cwd):
    """Run code in a fresh Python that has these folders on its path, NumPy, and no other package.

    Without ``-S`` the finder of an editable installation would lend its kernels to every copy.
    """
    libraries = cwd.parent / "libraries"
    libraries.mkdir(exist_ok=True)
    if not (libraries / "numpy").exists():
        (libraries / "numpy").symlink_to(Path(np.__file__).parent)
    env = dict(os.environ, PYTHONPATH=os.pathsep.join(map(str, [*paths, libraries])))
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True, text=True, env=env, cwd=cwd, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
