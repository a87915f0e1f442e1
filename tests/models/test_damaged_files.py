"""Damaged model files, and files of other kinds, raise a ModelError that names the file."""

import errno
import json
import os
import pickle
import warnings
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from graytorgb import ModelError
from graytorgb.cli import main
from graytorgb.models import adapt, adapt_file, adapt_state_dict, verify

from ..support import needs, needs_package, run_python

needs("torchvision")
needs_package("safetensors", "onnx", "onnxruntime")

import onnx  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper, parser  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STATS = ("--stats", "imagenet")


def weights():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)).state_dict()


def graph():
    model = parser.parse_model("""<ir_version: 8, opset_import: ["": 17]>
        net (float[N, 3, H, W] x) => (float[N, 4, P, Q] y) {
            a = Sub(x, m) s = Shape(a) b = Conv <pads = [1, 1, 1, 1]> (a, w) y = Relu(b) }""")
    tensors = {
        "w": np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32),
        "m": np.array([0.1, 0.2, 0.3], np.float32).reshape(3, 1, 1),
    }
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in tensors.items())
    return model


def write_outside(path):
    onnx.save(graph(), path, save_as_external_data=True, location=f"{path.stem}.data",
        size_threshold=0)  # fmt: skip


# name: how it is written, and the file that is damaged, if it is another one
FILES = {
    "net.pt": (lambda path: torch.save(weights(), path), None),
    "old.pth": (
        lambda path: torch.save(weights(), path, _use_new_zipfile_serialization=False), None),
    "net.safetensors": (lambda path: save_file(weights(), path), None),
    "net.onnx": (lambda path: onnx.save(graph(), path), None),
    "large.onnx": (write_outside, None),
    "data.onnx": (write_outside, "data.data"),
}  # fmt: skip


def use_file(path):
    """Call everything that reads a file."""
    if path.suffix != ".onnx":
        adapt_state_dict(path, (MEAN, STD), dst=path.with_stem("out"))
        return
    adapted = adapt(path, (MEAN, STD))
    adapt_file(path, path.with_stem("out"), (MEAN, STD), how="expand")
    images = np.random.default_rng(0).random((2, 9, 9), np.float32)
    verify(path, adapted, images, (MEAN, STD), seconds=0)


def damage(content, seed=0, count=40):
    """Yield the content cut off at places all over it, and with a few bytes changed."""
    rng = np.random.default_rng(seed)
    for end in np.unique(np.linspace(0, len(content) - 1, count).astype(int)):
        yield content[:end]
    for flips in (1, 1, 2, 8):
        for _ in range(count // 4):
            changed = np.frombuffer(content, np.uint8).copy()
            changed[rng.integers(0, len(content), flips)] = rng.integers(0, 256, flips)
            yield changed.tobytes()


def write_damaged(tmp_path, name):
    """Yield the path of a model, for each way to damage it."""
    write, other = FILES[name]
    path = tmp_path / name
    write(path)
    file = path if other is None else tmp_path / other
    for content in damage(file.read_bytes()):
        file.write_bytes(content)
        yield path, file


@pytest.mark.parametrize("name", FILES)
def test_damage_anywhere(tmp_path, name):
    """A file that stays valid is adapted; any other raises one kind of error."""
    refused = 0
    for path, _ in write_damaged(tmp_path, name):
        said = find_message(path)
        refused += said is not None
        assert "\n" not in (said or "")
        assert "can't be read" not in (said or "") or path.name in said
    assert refused >= 20


def find_message(path):
    """Return the error's message, or None if the damage left a valid file."""
    try:
        use_file(path)
    except ModelError as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_is_named(tmp_path, name):
    write, other = FILES[name]
    path = tmp_path / name
    write(path)
    file = path if other is None else tmp_path / other
    content = file.read_bytes()
    for end in (0, 1, 10, len(content) // 2, len(content) - 1):
        file.write_bytes(content[:end])
        with pytest.raises(ModelError) as caught:
            use_file(path)
        assert str(path) in str(caught.value)
        assert str(file) in str(caught.value)
        assert caught.value.__cause__ is not None or end == 0 or other


@pytest.mark.parametrize("name", FILES)
def test_the_command_says_it_without_a_traceback(tmp_path, name):
    out = tmp_path / f"gray{os.path.splitext(name)[1]}"  # noqa: PTH122
    for count, (path, _) in enumerate(write_damaged(tmp_path, name)):
        if count % 4:
            continue
        done = CliRunner().invoke(main, ["adapt", str(path), str(out), *STATS,
            "--seconds", "0", "--size", "16x16"])  # fmt: skip
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        if done.exit_code:
            assert done.exit_code == 1
            assert "Error: " in done.output
            assert not out.exists()
        out.unlink(missing_ok=True)


def test_no_damage_ends_the_process(tmp_path):
    """The files are read in a process of its own, with other bytes changed than above."""
    code = f"""
from pathlib import Path
from tests.models.test_damaged_files import FILES, ModelError, damage, use_file
for name, (write, other) in FILES.items():
    path = Path({str(tmp_path)!r}) / name
    write(path)
    file = path if other is None else path.with_name(other)
    for content in damage(file.read_bytes(), seed=1):
        file.write_bytes(content)
        try:
            use_file(path)
        except ModelError:
            pass
print("alive")
"""
    assert run_python(code).splitlines()[-1] == "alive"


def keras_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5"):
            archive.writestr(name, "{}")


def arrays(path):
    with path.open("wb") as file:
        np.savez(file, a=np.ones(2))


def write_scripted(path):
    with warnings.catch_warnings(action="ignore"):
        torch.jit.save(torch.jit.script(nn.Conv2d(3, 4, 3)), path)


def write_pickle(path, content, protocol):
    path.write_bytes(pickle.dumps(content, protocol))


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n"
# name: what is written, and what is said of it
OTHERS = {
    "list.pt": (lambda p: torch.save([1, 2], p), "no state dict of names and tensors, but a list"),
    "number.pt": (lambda p: torch.save(3, p), "no state dict of names and tensors, but a int"),
    "tensor.pt": (lambda p: torch.save(torch.ones(2), p), "no state dict of .*, but a Tensor"),
    "pickle.pt": (partial(write_pickle, content=[1], protocol=4), "it is a Python pickle"),
    "pickle2.pt": (partial(write_pickle, content=[1], protocol=2), "it is a Python pickle"),
    "module.pt": (lambda p: torch.save(nn.Conv2d(3, 4, 3), p),
                  r"more than weights \(torch\.nn\.modules\.conv\.Conv2d\).*isn't safe"),
    "scripted.pt": (write_scripted, "is a scripted network, not weights"),
    "arrays.pt": (arrays, r"NumPy arrays \(\.npz\)"),
    "keras.pt": (keras_archive, r"a Keras model \(\.keras\)"),
    "h5.pt": (lambda p: p.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(99)), r"an HDF5 file"),
    "lfs.pt": (lambda p: p.write_bytes(LFS), "Git LFS, and `git lfs pull` fetches"),
    "page.pt": (lambda p: p.write_bytes(b"\n<!DOCTYPE html><html>"), "a page of HTML"),
    "empty.pt": (lambda p: p.touch(), "it is empty"),
    "text.pt": (lambda p: p.write_bytes(b"no weights at all" * 9), "it may be damaged"),
    "json.safetensors": (lambda p: p.write_text(json.dumps({"a": 1})), "it is JSON text"),
    "torch.safetensors": (lambda p: torch.save(weights(), p), r"it is a torch file \(\.pt\)"),
    "lfs.safetensors": (lambda p: p.write_bytes(LFS), "Git LFS"),
    "empty.safetensors": (lambda p: p.touch(), "it is empty"),
    "empty.onnx": (lambda p: p.touch(), "it is empty"),
    "bare.onnx": (lambda p: p.write_bytes(onnx.ModelProto(ir_version=8).SerializeToString()),
                  "there is no graph in it"),
    "torch.onnx": (lambda p: torch.save(weights(), p), r"it is a torch file \(\.pt\)"),
    "scripted.onnx": (write_scripted, "a scripted network of torch"),
    "lfs.onnx": (lambda p: p.write_bytes(LFS), "Git LFS"),
    "page.onnx": (lambda p: p.write_bytes(b"<html></html>"), "a page of HTML"),
}  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_another_kind(tmp_path, name):
    write, message = OTHERS[name]
    path = tmp_path / name
    write(path)
    with pytest.raises(ModelError, match=rf"(?s){name}.*{message}"):
        use_file(path)


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "onnx"])
class TestNoFile:
    def test_missing(self, tmp_path, suffix):
        with pytest.raises(FileNotFoundError) as caught:
            use_file(tmp_path / f"net.{suffix}")
        assert caught.value.filename == str(tmp_path / f"net.{suffix}")

    def test_a_folder(self, tmp_path, suffix):
        path = tmp_path / f"net.{suffix}"
        path.mkdir()
        with pytest.raises(IsADirectoryError):
            use_file(path)

    def test_not_readable(self, tmp_path, suffix, monkeypatch):
        path = tmp_path / f"net.{suffix}"
        path.touch(0)
        if os.access(path, os.R_OK):  # root may read all, and Windows knows no such files

            def refuse(opened, *args, **options):
                if opened == path:
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
                return open_path(opened, *args, **options)

            open_path = Path.open
            monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(PermissionError) as caught:
            use_file(path)
        assert caught.value.filename == str(path)

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
    def test_a_pipe(self, tmp_path, suffix):
        """Reading a pipe would never end."""
        path = tmp_path / f"net.{suffix}"
        os.mkfifo(path)
        with pytest.raises(ModelError, match="is a pipe, not a file"):
            use_file(path)
        done = CliRunner().invoke(main, ["adapt", str(path), str(path.with_stem("out")), *STATS])
        assert (done.exit_code, "is a pipe" in done.output) == (1, True)

    @pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices here")  # noqa: PTH110
    def test_a_device(self, tmp_path, suffix):
        path = tmp_path / f"net.{suffix}"
        path.symlink_to("/dev/zero")
        with pytest.raises(ModelError, match="is a device or a socket"):
            use_file(path)


class TestTensorsOutside:
    """Tensors of an ONNX model that are in a file beside it."""

    @pytest.fixture
    def path(self, tmp_path):
        write_outside(tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    def changed(self, path, **entries):
        model = onnx.load(path, load_external_data=False)
        for entry in model.graph.initializer[0].external_data:
            entry.value = entries.get(entry.key, entry.value)
        path.write_bytes(model.SerializeToString())

    @pytest.mark.parametrize(
        "read",
        [
            lambda path: adapt(path, (MEAN, STD)),
            lambda path: adapt(path, (MEAN, STD), how="expand"),
            lambda path: adapt_file(path, "out.onnx", (MEAN, STD)),
        ],
    )
    @pytest.mark.parametrize(
        ("entries", "message"),
        [
            ({"location": "other.data"}, "its file .*other.data is missing"),
            ({"location": "folder"}, "its file .*folder is no file"),
            ({"location": "pipe"}, "its file .*pipe is no file"),
            ({"location": "/etc/hostname"}, "outside of the model's folder"),
            ({"location": "../net.data"}, "outside of the model's folder"),
            ({"offset": "1000000"}, "is too short: .* bytes, and 1000432 are needed"),
            ({"offset": "-8"}, "has no byte -8, where it starts"),
            ({"length": "430"}, "has 430 bytes for it, and 432 are needed"),
            ({"length": "many"}, "ValueError: invalid literal"),
        ],
    )  # fmt: skip
    def test_what_cannot_be(self, path, tmp_path, monkeypatch, entries, message, read):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        os.mkfifo(tmp_path / "pipe")
        self.changed(path, **entries)
        with pytest.raises(ModelError, match=message):
            read(path)
        assert not (tmp_path / "out.onnx").exists()
        with pytest.raises(ModelError, match=message):
            verify(path, path, np.zeros((1, 9, 9)), (MEAN, STD))


def test_weights_of_whole_numbers_are_no_stem(tmp_path):
    """Adapted weights would be rounded to 0 in silence."""
    torch.save({"a.weight": torch.ones(4, 3, 3, 3, dtype=torch.int8)}, tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"its dtype torch\.int8"):
        adapt_state_dict(tmp_path / "net.pt", (MEAN, STD))


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a.weight": torch.ones(4, 3, 3, 3).to_sparse()}, "'a.weight' is sparse"),
        ({"a.weight": torch.ones(4, 3, 3, 3, device="meta")}, "'a.weight' is on the meta device"),
        ({1: torch.ones(4, 3, 3, 3)}, "the name of a tensor is 1, not a text"),
    ],
)
def test_weights_that_have_no_values_or_names(tmp_path, tensors, message):
    torch.save(tensors, tmp_path / "net.pt")
    for source in (tmp_path / "net.pt", tensors):
        with pytest.raises(ModelError, match=message):
            adapt_state_dict(source, (MEAN, STD))
