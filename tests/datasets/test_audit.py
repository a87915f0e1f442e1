"""datasets.audit on real files: what a record tells, and that nothing stops it."""

import json
import os
import warnings
import zipfile
from functools import partial
from pathlib import Path

import imagecodecs
import jsonschema
import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.cli.remedies import list_remedies
from graytorgb.datasets import Audit, audit, auditing, convert
from graytorgb.datasets.audits import analysis as audit_analysis
from graytorgb.datasets.execution.batches import Done
from graytorgb.datasets.sources import items
from graytorgb.errors import ImageFileError, WorkerLost
from graytorgb.inspection.loaders import Loss, find_losses
from graytorgb.inspection.values import find_values
from graytorgb.io import read

from ..io.samples import NAMES, write_samples
from ..support import needs_package
from .test_audit_result import SCHEMA

RNG = np.random.default_rng(12)
GRAY = RNG.integers(0, 256, (24, 32), np.uint8)
DEEP = RNG.integers(0, 4096, (24, 32), np.uint16)
COLOR = RNG.integers(0, 256, (24, 32, 3), np.uint8)


def save(path, pixels, **options):
    path.parent.mkdir(exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def cut(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def write_mess(folder):
    """Write a file of every kind that an audit tells apart."""
    save(folder / "a" / "gray.png", GRAY)
    save(folder / "a" / "deep.png", DEEP)
    save(folder / "a" / "shifted.png", DEEP << 4)
    save(folder / "a" / "rgb.png", np.repeat(GRAY[..., None], 3, -1))
    save(folder / "a" / "color.jpg", COLOR, quality=95)
    save(folder / "b" / "opaque.png", np.dstack([COLOR, np.full_like(GRAY, 255)]))
    save(folder / "b" / "varying.png", np.dstack([COLOR, GRAY]))
    save(folder / "b" / "constant.png", np.full_like(GRAY, 7))
    exif = PIL.Image.Exif()
    exif[0x112] = 6
    save(folder / "b" / "turned.jpg", GRAY, exif=exif)
    profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    save(folder / "b" / "profile.png", COLOR, icc_profile=profile)
    tifffile.imwrite(folder / "b" / "inverted.tif", GRAY, photometric="miniswhite")
    tifffile.imwrite(folder / "b" / "nan.tif", np.where(GRAY < 3, np.nan, GRAY).astype(np.float32))
    palette = PIL.Image.fromarray(GRAY // 16).convert("P")
    palette.putpalette(np.repeat(np.arange(255, 0, -15, np.uint8), 3).tobytes())
    palette.save(folder / "palette.png")
    np.save(folder / "array.npy", DEEP)
    (folder / "copy.png").write_bytes((folder / "a" / "gray.png").read_bytes())
    (folder / "no_ending").write_bytes((folder / "a" / "deep.png").read_bytes())
    save(folder / "cut.png", DEEP)
    cut(folder / "cut.png")
    save(folder / "cut", GRAY, format="PNG")
    cut(folder / "cut")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.jpg").write_text("<html>")
    (folder / "README.txt").write_text("BM is how a bitmap begins")
    (folder / "BM.txt").write_text("BM is how a bitmap begins")
    (folder / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    with zipfile.ZipFile(folder / "paper.docx", "w") as file:
        file.writestr("word/document.xml", "<text/>")
    save(folder / os.fsdecode(b"\xff\n.png"), GRAY + 1)
    os.mkfifo(folder / "pipe.png")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_mess(tmp_path_factory.mktemp("mess"))


@pytest.fixture(scope="module")
def mess(folder):
    return audit(folder, workers=1)


@pytest.fixture(scope="module")
def records(mess):
    return {record["path"]: record for record in mess.records}


def test_every_file_is_a_record_or_skipped(folder, mess, records):
    skipped = {skip["path"]: skip["reason"] for skip in mess.skipped}
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    assert set(records) | set(skipped) == files
    assert not set(records) & set(skipped)
    assert set(skipped) == {"BM.txt", "README.txt", "Thumbs.db", "paper.docx", "pipe.png"}
    assert "pipe" in skipped["pipe.png"]
    assert all(skipped.values())
    assert list(records) == [record["path"] for record in mess.records]


def test_what_cannot_be_read_has_the_reason(mess, records):
    bad = {path: record["error"] for path, record in records.items() if record["error"]}
    assert set(bad) == {"cut.png", "cut", "empty.png", "text.jpg"}
    assert mess.unreadable == mess.findings["unreadable"] == 4
    assert bad["cut.png"].startswith("truncated: ")
    assert "empty (0 bytes)" in bad["empty.png"]
    assert records["cut.png"]["format"] == "PNG"
    assert records["text.jpg"]["digest"] is not None
    assert records["cut.png"]["findings"] == ["unreadable"]
    assert records["cut.png"]["losses"] is None


@pytest.mark.parametrize(
    ("path", "finding"),
    [
        ("a/deep.png", "deep"), ("a/shifted.png", "left-shifted"),
        ("a/rgb.png", "gray stored as RGB"),
        ("a/color.jpg", "color"), ("b/opaque.png", "alpha opaque"),
        ("b/varying.png", "alpha varying"), ("b/constant.png", "constant"),
        ("b/turned.jpg", "orientation"), ("b/profile.png", "ICC profile"),
        ("b/inverted.tif", "inverted"), ("b/nan.tif", "not finite"),
        ("palette.png", "gray palette"), ("copy.png", "copy"), ("no_ending", "copy"),
        ("a/deep.png", "lossy in pillow"),
    ],
)  # fmt: skip
def test_a_finding_is_of_its_file(mess, records, path, finding):
    assert finding in records[path]["findings"]
    assert mess.findings[finding] == sum(finding in r["findings"] for r in records.values())
    assert "lossy in pillow" not in records["a/gray.png"]["findings"]


def test_a_record_tells_what_the_file_holds(folder, records):
    deep = records["a/deep.png"]
    assert (deep["min"], deep["max"]) == (DEEP.min(), DEEP.max())
    assert deep["levels"] == len(np.unique(DEEP))
    assert (deep["bits"], deep["effective_bits"], deep["step"]) == (16, 12, 1)
    assert (deep["shape"], deep["layout"], deep["dtype"]) == ([24, 32], "HW", "uint16")
    assert deep["size"] == (folder / "a" / "deep.png").stat().st_size
    shifted = records["a/shifted.png"]
    assert (shifted["effective_bits"], shifted["step"]) == (12, 16)
    assert (records["a/rgb.png"]["color"], records["a/rgb.png"]["wasted_bytes"]) == (
        "rgb-gray", 2 * GRAY.size,
    )  # fmt: skip
    assert records["b/turned.jpg"]["orientation"] == 6
    assert (records["b/nan.tif"]["not_finite"], records["b/nan.tif"]["bits"]) == (
        np.count_nonzero(GRAY < 3), None,
    )  # fmt: skip
    assert records["a/deep.png"]["folder"] == "a"
    assert records["copy.png"]["copy_of"] == "a/gray.png"
    assert records["no_ending"]["copy_of"] == "a/deep.png"


def test_the_set(mess):
    assert mess.value_range is None
    ranges = {entry["depth"]: entry["value_range"] for entry in mess.value_ranges}
    assert ranges["8 bits"] == [0, 255]
    assert ranges["16 bits"] == [0, 65535]  # one file isn't shifted
    assert ranges["floats"] == [3, 255]
    assert mess.wasted_bytes == 2 * GRAY.size
    assert {folder["folder"]: folder["files"] for folder in mess.list_folders()} == {
        "": 9, "a": 5, "b": 7
    }  # fmt: skip


@pytest.mark.slow
def test_json_is_valid_and_the_same_for_all_workers(folder, mess, tmp_path):
    mess.write_json(tmp_path / "1.json")
    document = json.loads((tmp_path / "1.json").read_text())
    jsonschema.validate(document, SCHEMA)
    with audit(folder, workers=2) as other:
        other.write_json(tmp_path / "2.json")
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


def test_a_quick_audit_reads_headers_alone(folder, mess, monkeypatch, tmp_path):
    monkeypatch.setattr(audit_analysis, "find_values", None)
    quick = audit(folder, quick=True, workers=1)
    quick.write_json(tmp_path / "quick.json")
    jsonschema.validate(json.loads((tmp_path / "quick.json").read_text()), SCHEMA)
    assert quick.files == mess.files
    assert quick.quick
    records = {record["path"]: record for record in quick.records}
    deep = records["a/deep.png"]
    assert (deep["shape"], deep["bits"], deep["dtype"]) == ([24, 32], 16, "uint16")
    for name in ("levels", "min", "max", "effective_bits", "color", "losses", "copy_of"):
        assert deep[name] is None
    assert records["empty.png"]["error"]
    assert "deep" in deep["findings"]
    ranges = {entry["depth"]: entry["value_range"] for entry in quick.value_ranges}
    assert (ranges["8 bits"], ranges["16 bits"]) == ([0, 255], None)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    write_samples(folder)
    return folder


def test_every_format_is_judged(samples):
    """Of every format that is read, and by every way that it is read in."""
    found = audit(samples, workers=1)
    assert found.unreadable == 0
    for record in found.records:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = read(samples / record["path"])
        values = find_values(image)
        assert record["format"] == image.format
        assert record["shape"] == list(image.array.shape)
        assert (record["min"], record["max"]) == (values.minimum, values.maximum)
        losses = {
            name: None if loss is None else loss._asdict()
            for name, loss in find_losses(image, values).items()
        }
        assert record["losses"] == losses
    assert len(NAMES) >= found.files > 10


def check_advice(found, folder):
    """Run the line of code on each file of the set."""
    for record in found.records:
        if record["error"] is None:
            path = folder / record["path"]
            with warnings.catch_warnings():
                if len(found.value_ranges) > 1:  # of files that are read before their range is told
                    warnings.filterwarnings("ignore", "the file states its depth alone")
                rgb = eval(found.advice["code"], {"g2r": g2r, "path": path})
            assert rgb.dtype == np.uint8
            assert rgb.shape[-1] == 3
            yield record["path"], rgb


def test_the_advice_for_12_bits_in_16(tmp_path):
    for k in range(3):
        save(tmp_path / f"{k}.png", DEEP >> (2 - k))
    with audit(tmp_path, workers=1) as found:
        assert found.value_range == (0, 4095)
        assert found.advice["code"] == (
            "g2r.to_rgb(g2r.to_uint8(g2r.io.read(path, value_range=(0, 4095))))"
        )
        assert found.advice["command"] == (
            f"graytorgb convert {tmp_path} DST --to gray --value-range 0 4095 --bits 8"
        )
        assert found.advice["notes"] == []
        rgbs = dict(check_advice(found, tmp_path))
    np.testing.assert_array_equal(rgbs["2.png"][..., 1], g2r.to_uint8(DEEP, (0, 4095)))


def test_the_advice_for_8_bits(tmp_path):
    save(tmp_path / "gray.png", GRAY)
    save(tmp_path / "rgb.png", np.repeat(GRAY[..., None], 3, -1))
    with audit(tmp_path, workers=1) as found:
        assert found.advice["code"] == "g2r.to_rgb(g2r.io.read(path))"
        assert found.advice["command"] == f"graytorgb convert {tmp_path} DST --to gray"
        for _, rgb in check_advice(found, tmp_path):
            np.testing.assert_array_equal(rgb, np.repeat(GRAY[..., None], 3, -1))


def test_the_advice_for_a_mess_runs_on_each_file(folder, tmp_path):
    for name in ("nan.tif", "array.npy"):
        assert list(folder.rglob(name))
    (tmp_path / "set").mkdir()
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "nan.tif":
            (tmp_path / "set" / path.name).write_bytes(path.read_bytes())
    with audit(tmp_path / "set", workers=1) as found:
        rgbs = dict(check_advice(found, tmp_path / "set"))
        assert len(rgbs) == found.files - found.unreadable
        assert "--orientation apply" in found.advice["command"]
        assert "--alpha 255,255,255" in found.advice["command"]
        assert "--bits" not in found.advice["command"]
        assert len(found.advice["notes"]) == 3
    assert rgbs["turned.jpg"].shape == (32, 24, 3)
    np.testing.assert_array_equal(rgbs["deep.png"][..., 0], g2r.to_uint8(DEEP, (0, 65535)))


class TestAlpha:
    """A background is in the units of the files, so 255 would be nearly black in 12 bits."""

    @pytest.fixture
    def deep(self, tmp_path):
        """A folder of a 12-bit image whose left half is transparent."""
        alpha = np.full(DEEP.shape, 65535, np.uint16)
        alpha[:, :16] = 0
        (tmp_path / "set").mkdir()
        data = imagecodecs.png_encode(np.dstack([DEEP] * 3 + [alpha]))
        (tmp_path / "set" / "deep.png").write_bytes(data)
        return tmp_path / "set"

    def test_white_is_the_last_value_of_the_range(self, deep):
        with audit(deep, workers=1) as found:
            command, (note,) = found.advice["command"], found.advice["notes"]
            ((_, rgb),) = check_advice(found, deep)
        assert note.startswith("Transparent images are laid on white")
        assert command.endswith("--value-range 0 4095 --bits 8 --alpha 4095,4095,4095")
        target = deep.parent / "dst"
        convert(deep, target, to="gray", value_range=(0, 4095), bits=8, alpha=(4095,) * 3)
        for white in (rgb[:, :16], np.asarray(PIL.Image.open(target / "deep.png"))[:, :16]):
            assert np.unique(white).tolist() == [255]

    def test_black_is_the_same_in_every_depth(self, deep):
        PIL.Image.fromarray(np.dstack([COLOR, GRAY])).save(deep / "rgba.png")
        with audit(deep, workers=1) as found:
            assert found.advice["command"].endswith("--alpha 0,0,0")
            assert "on white by the code and on black by the command" in found.advice["notes"][1]
        assert convert(deep, deep.parent / "dst", alpha=(0, 0, 0)).is_complete
        with pytest.raises(g2r.ChannelError) as caught:
            convert(deep, deep.parent / "dst2", alpha=(255, 255, 255))
        assert list_remedies(caught.value.remedies, ["--alpha"]) == [
            "--alpha drop, or --alpha 0,0,0"
        ]

    def test_a_look_at_headers_alone_says_so(self, deep):
        with audit(deep, quick=True, workers=1) as found:
            assert "--alpha drop" in found.advice["command"]
            assert any("wasn't looked at" in note for note in found.advice["notes"])


def test_the_command_for_a_name_that_begins_with_a_dash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(Path("-scans") / "gray.png", GRAY)
    with audit("-scans", workers=1) as found:
        assert found.advice["command"] == "graytorgb convert ./-scans DST --to gray"


def test_the_advice_for_stacks_and_floats(tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([DEEP, DEEP // 2]), photometric="minisblack")
    with audit([tmp_path], workers=1) as found:
        assert dict(check_advice(found, tmp_path))["stack.tif"].shape == (2, 24, 32, 3)
    tifffile.imwrite(tmp_path / "stack.tif", np.float32(DEEP) / 4095)
    with audit(tmp_path, workers=1) as found:
        assert found.value_range == (0, 1)
        assert "--value-range 0 1 --bits 8" in found.advice["command"]
        np.testing.assert_array_equal(
            dict(check_advice(found, tmp_path))["stack.tif"][..., 0],
            g2r.to_uint8(np.float32(DEEP) / 4095),
        )


def test_the_advice_for_a_deep_image_with_alpha(tmp_path):
    """A PNG of 16 bits with 12 in use, whose alpha has 16."""
    alpha = np.where(DEEP < 2000, 65535, 0).astype(np.uint16)
    imagecodecs.imwrite(tmp_path / "a.png", np.dstack([DEEP, alpha]))
    with audit(tmp_path, workers=1) as found:
        assert found.value_range == (0, 4095)
        (rgb,) = dict(check_advice(found, tmp_path)).values()
    expected = np.where(DEEP < 2000, g2r.to_uint8(DEEP, (0, 4095)), 255)
    np.testing.assert_array_equal(rgb, np.repeat(expected[..., None], 3, -1))


def test_images_of_an_array(tmp_path):
    stack = np.stack([GRAY, GRAY // 2, GRAY])
    np.save(tmp_path / "stack.npy", stack)
    with audit(tmp_path / "stack.npy", layout="NHW", workers=1) as found:
        assert found.files == 3
        assert [record["copy_of"] for record in found.records] == [None, None, "stack.npy[0]"]
        assert [record["shape"] for record in found.records] == [[24, 32]] * 3
        np.testing.assert_array_equal(found.read_image(1).array, GRAY // 2)
        assert found.advice["code"] == 'g2r.to_rgb(image, "HW")'
        with pytest.raises(IndexError):
            found.read_image(3)


def test_the_histogram_of_one_image(mess):
    paths = [record["path"] for record in mess.records]
    image = mess.read_image(paths.index("a/shifted.png"))
    np.testing.assert_array_equal(image.array, DEEP << 4)
    counts = find_values(image).counts
    assert counts.first == DEEP.min() << 4
    np.testing.assert_array_equal(counts.numbers, np.bincount((DEEP << 4).ravel())[counts.first :])


def test_files_in_a_zip(folder, mess, tmp_path):
    """By a URL, of which a file is loaded once."""
    needs_package("fsspec")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        for record in mess.records:
            if "\n" not in record["path"]:
                file.write(folder / record["path"], record["path"])
        file.write(folder / "README.txt", "README.txt")
    with audit(f"zip://::{tmp_path}/set.zip", workers=1) as found:
        for record in found.records:
            expected = next(r for r in mess.records if r["path"] == record["path"])
            names = set(expected) - {"error"}
            assert {n: record[n] for n in names} == {n: expected[n] for n in names}
            assert (record["error"] is None) == (expected["error"] is None)
        assert found.files == mess.files - 1
        assert [skip["path"] for skip in found.skipped] == ["README.txt"]


def test_a_large_file_is_read_in_parts(tmp_path, monkeypatch):
    save(tmp_path / "a.png", DEEP)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    whole = list(audit(tmp_path, workers=1).records)
    monkeypatch.setattr(items, "LARGEST_LOADED", 10)
    assert list(audit(tmp_path, workers=1).records) == whole


def fail(error, image):
    raise error


def test_pages_of_a_file(tmp_path):
    stack = np.stack([DEEP, DEEP // 2, DEEP])
    tifffile.imwrite(tmp_path / "x.tif", stack, photometric="minisblack")
    with audit(tmp_path / "x.tif", workers=1) as found:
        assert [record["path"] for record in found.records] == [f"x.tif[{k}]" for k in range(3)]
        assert [record["frames"] for record in found.records] == [3, 3, 3]
        assert [record["shape"] for record in found.records] == [[24, 32]] * 3
        assert [record["copy_of"] for record in found.records] == [None, None, "x.tif[0]"]
        assert found.value_range == (0, 4095)
        rgb = eval(found.advice["code"], {"g2r": g2r, "path": tmp_path / "x.tif"})
        np.testing.assert_array_equal(rgb[..., 2], g2r.to_uint8(stack, (0, 4095)))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (KeyError("a mistake of ours"), "KeyError: 'a mistake of ours'"),
        (MemoryError(), "there isn't enough memory for it"),
        (RecursionError("too deep"), "RecursionError: too deep"),
        (PermissionError(13, "Permission denied", "x.png"), "Permission denied"),
    ],
)
def test_whatever_fails_is_the_error_of_the_record(tmp_path, monkeypatch, error, told):
    save(tmp_path / "x.png", GRAY)
    monkeypatch.setattr(audit_analysis, "find_values", partial(fail, error))
    with audit(tmp_path, workers=1) as found:
        (record,) = found.records
        assert record["error"] == told
        assert record["levels"] is record["color"] is None
        assert record["digest"] is not None


def test_a_number_that_json_does_not_have_is_an_error_too(tmp_path, monkeypatch):
    save(tmp_path / "x.png", GRAY)
    loss = Loss(256, 256, float("nan"), 8)
    monkeypatch.setattr(audit_analysis, "find_losses", lambda *a, **o: {"pillow": loss})
    with audit(tmp_path, workers=1) as found:
        assert found.records[0]["error"].startswith("ValueError: ")
        assert found.unreadable == 1


def test_a_worker_that_dies_is_the_error_of_the_record(folder, monkeypatch):
    """Whatever the order in which the batches come."""

    def run(function, items, **options):
        items = list(items)
        for place in reversed(range(len(items))):
            batch = [items[place]]
            if items[place].path == "a/gray.png":
                lost = WorkerLost("a/gray.png: a worker process died twice")
                yield Done(place, batch, error=lost)
            else:
                yield Done(place, batch, function(batch))

    monkeypatch.setattr(auditing, "run_batches", run)
    with audit(folder) as found:
        records = {record["path"]: record for record in found.records}
        paths = [record["path"] for record in found.records]
    assert records["a/gray.png"]["error"] == "a worker process died twice"
    assert records["copy.png"]["copy_of"] is None  # the other's bytes aren't known
    assert records["no_ending"]["copy_of"] == "a/deep.png"
    assert found.unreadable == 5
    assert paths == sorted(paths, key=lambda path: path.split("/"))


def test_ctrl_c_ends_the_workers_and_frees_the_disk(folder, monkeypatch):
    ended = []

    def run(function, items, **options):
        try:
            batch = [next(items)]
            yield Done(0, batch, function(batch))
            raise KeyboardInterrupt
        finally:
            ended.append(True)

    monkeypatch.setattr(auditing, "run_batches", run)
    with pytest.raises(KeyboardInterrupt):
        audit(folder)
    assert ended == [True]


def test_nothing_to_audit_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="not_there"):
        audit(tmp_path / "not_there")
    with pytest.raises(ImageFileError, match="no file in it"):
        audit(tmp_path)


def test_several_sources_are_one_set(tmp_path):
    save(tmp_path / "a" / "x.png", GRAY)
    save(tmp_path / "b" / "x.png", GRAY)
    with audit([tmp_path / "a", tmp_path / "b"], workers=1) as found:
        assert isinstance(found, Audit)
        paths = [record["path"] for record in found.records]
        assert len(set(paths)) == 2
        assert found.records[1]["copy_of"] == paths[0]
        assert found.advice["command"].startswith("graytorgb convert SRC DST")
