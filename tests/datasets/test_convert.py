"""convert: a folder becomes a folder; values, names, and what is refused before all else."""

import json
import os
import shutil

import numpy as np
import PIL.Image
import pytest
import tifffile

import graytorgb as g2r
from graytorgb.datasets import audit, convert
from graytorgb.datasets.conversions.encoding import FILE_FORMATS
from graytorgb.errors import (
    ChannelError,
    ImageFileError,
    LevelsError,
    OptionError,
    TargetError,
)
from graytorgb.io import read

from ..support import needs, needs_package
from .trees import KEPT, deep, gray, list_images, read_tree, write_classes, write_png, write_tiff

needs("pillow")
needs_package("dask", "imagecodecs", "loky", "simplejpeg", "tifffile")


def run(src, dst, **options):
    """A conversion in this process."""
    return convert(src, dst, **{"workers": 1, **options})


def pixels(path):
    return read(path, value_range="dtype").array  # without the warning of depth that isn't used


@pytest.fixture
def src(tmp_path):
    return write_classes(tmp_path / "src")


@pytest.fixture
def dst(tmp_path):
    return tmp_path / "dst"


def test_audit_and_convert_agree_on_what_is_an_image(src, dst):
    heads = {
        "dicom": bytes(128) + b"DICM", "jpeg": b"\xff\xd8\xff\xe0", "npy": b"\x93NUMPY\1\0",
        "png": b"\x89PNG\r\n\x1a\n", "tags": b"\x08\0\x05\0CS", "text": b"BM", "zip": b"PK\3\4",
    }  # fmt: skip
    for name, head in heads.items():
        (src / name).write_bytes(head)
    with audit(src, workers=1) as found:
        failed = {r["path"]: r["error"] for r in found.records if r["error"] is not None}
    assert list(failed) == ["dicom", "jpeg", "npy", "png"]
    assert dict(run(src, dst, dry_run=True).errors) == failed


def test_a_text_beside_images_of_an_archive_is_left_out(src, dst, tmp_path):
    needs_package("fsspec")
    (src / "notes.txt").write_text("no image")
    shutil.make_archive(tmp_path / "set", "zip", src)
    done = run(f"zip://::{tmp_path / 'set.zip'}", dst)
    assert (done.converted, done.errors) == (2, [])
    assert done.skipped == [("notes.txt", "not an image by its name or its content")]


class TestValues:
    def test_keep_changes_no_value_of_any_dtype(self, tmp_path, dst):
        src = tmp_path / "src"
        rng = np.random.default_rng(0)
        arrays = {}
        for name in ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"):
            limits = np.iinfo(name)
            arrays[name] = rng.integers(limits.min, limits.max, (5, 7), name, endpoint=True)
        for name in ("float16", "float32", "float64"):
            arrays[name] = rng.normal(size=(5, 7)).astype(name)
        for name, array in arrays.items():
            write_tiff(src / f"{name}.tiff", array)
        done = run(src, dst, value_range=(0, 4095))
        assert (done.converted, done.errors, done.value_range) == (len(arrays), [], (0, 4095))
        for name, array in arrays.items():
            suffix = ".png" if name in ("uint8", "uint16") else ".tif"
            result = pixels(dst / f"{name}{suffix}")
            assert result.dtype == array.dtype
            assert np.array_equal(result, g2r.to_rgb(array)), name

    def test_rgb_and_gray_are_those_of_the_verbs(self, tmp_path, dst):
        color = gray(0, (9, 11, 3))
        write_png(tmp_path / "src" / "c.png", color)
        run(tmp_path / "src", dst)
        assert np.array_equal(pixels(dst / "c.png"), color)
        run(tmp_path / "src", tmp_path / "gray", to="gray")
        assert np.array_equal(pixels(tmp_path / "gray" / "c.png"), g2r.to_gray(color, "HWC->HW"))

    def test_bool_is_0_and_255(self, tmp_path, dst):
        mask = gray(0) > 128
        write_png(tmp_path / "src" / "m.png", mask)
        write_tiff(tmp_path / "src" / "n.tif", mask)
        np.save(tmp_path / "src" / "o.npy", mask)
        assert run(tmp_path / "src", dst, bits=8, value_range=(0, 4095)).errors[0][0] == "m.png"
        run(tmp_path / "src", dst)
        for name in ("m.png", "n.png", "o.png"):
            assert np.array_equal(pixels(dst / name)[..., 0], mask * np.uint8(255))

    def test_8_bits_apply_one_range_to_all(self, src, dst):
        done = run(src, dst, bits=8, value_range=(0, 4095))
        assert done.value_range == (0, 4095)
        result = pixels(dst / "cats" / "a.png")
        assert np.array_equal(result[..., 1], g2r.to_uint8(deep(1), (0, 4095)))

    @pytest.mark.parametrize("workers", [1, 2])
    def test_minmax_is_found_in_the_whole_set(self, tmp_path, dst, workers):
        """The last file has the extremes, and a file between them can't be read."""
        src = tmp_path / "src"
        for k in range(4):
            write_png(src / f"{k}.png", deep(k) % 100 + 500)
        data = (src / "1.png").read_bytes()
        (src / "1.png").write_bytes(data[: len(data) // 2])
        write_png(src / "z.png", np.array([[7, 3000]], np.uint16))
        done = run(src, dst, bits=8, value_range="minmax", workers=workers)
        assert done.value_range == (7, 3000)
        assert [path for path, _ in done.errors] == ["1.png"]
        assert np.array_equal(
            pixels(dst / "0.png")[..., 0], g2r.to_uint8(deep(0) % 100 + 500, (7, 3000))
        )

    @pytest.mark.parametrize("kind", ["uint8", "uint16", "int32", "float32", "float64"])
    def test_percentiles_are_those_of_all_values_together(self, tmp_path, dst, kind):
        src = tmp_path / "src"
        arrays = [np.random.default_rng(k).normal(100, 30, (9, 7)).astype(kind) for k in range(3)]
        for k, array in enumerate(arrays):
            write_tiff(src / f"{k}.tif", array)
        done = run(src, dst, bits=8, value_range=("percentile", 2, 95))
        everything = np.concatenate(arrays)
        assert done.value_range == pytest.approx(np.percentile(everything, [2, 95]), rel=1e-6)
        assert np.array_equal(
            pixels(dst / "2.png")[..., 2], g2r.to_uint8(arrays[2], done.value_range)
        )

    def test_values_are_pooled_from_one_plane_without_alpha(self, tmp_path, dst):
        src = tmp_path / "src"
        plane = gray(3)
        write_png(src / "a.png", np.dstack([plane] * 3 + [np.full_like(plane, 255)]))
        write_png(src / "b.png", gray(4) // 2)
        done = run(src, dst, bits=8, value_range=("percentile", 10, 90), alpha="drop")
        both = np.concatenate([plane, gray(4) // 2])
        assert done.value_range == pytest.approx(np.percentile(both, [10, 90]))

    def test_nan_is_no_level(self, tmp_path, dst):
        src = tmp_path / "src"
        write_tiff(src / "a.tif", np.array([[0, np.nan]], np.float32))
        write_tiff(src / "b.tif", np.array([[0, 2]], np.float32))
        done = run(src, dst, bits=8, value_range="minmax")
        assert done.value_range == (0, 2)
        assert "NaN" in done.errors[0][1]
        assert list_images(dst) == ["b.png"]
        run(src, dst / "kept")
        assert np.isnan(pixels(dst / "kept" / "a.tif")).any()

    def test_the_range_that_all_files_state(self, tmp_path, dst):
        src = tmp_path / "src"
        write_png(src / "a.png", gray(0))
        PIL.Image.fromarray(gray(1)).save(src / "b.jpg")
        assert run(src, dst, bits=8).value_range == (0, 255)
        assert np.array_equal(pixels(dst / "a.png")[..., 0], gray(0))

    def test_several_depths_have_to_state_it(self, src, dst):
        write_png(src / "cats" / "c.png", gray(0))
        with pytest.raises(LevelsError, match=r"2 of uint16 with 0 to 65535.*value_range=") as told:
            run(src, dst, bits=8)
        assert told.value.remedies == ("value_range",)
        assert "1 of uint8 with 0 to 255, such as 'cats/c.png'" in str(told.value)
        assert not dst.exists()
        done = run(src, dst, bits=8, value_range="dtype")
        assert done.errors == []
        assert np.array_equal(pixels(dst / "cats" / "c.png")[..., 0], gray(0))

    def test_8_bits_under_a_range_of_more_are_named_and_not_darkened(self, src, dst):
        write_png(src / "cats" / "c.png", gray(0))
        done = run(src, dst, bits=8, value_range=(0, 4095))
        assert [path for path, _ in done.errors] == ["cats/c.png"]
        assert "it has 8 bits, and would be dark under the range 0 to 4095" in done.errors[0][1]
        assert any("8 bits, too few for this range" in note.text for note in done.notes)
        assert list_images(dst) == ["cats/a.png", "dogs/b.png"]

    def test_a_depth_that_is_not_used_is_noted(self, tmp_path, dst):
        write_png(tmp_path / "src" / "a.png", deep(0) // 4)
        (note,) = run(tmp_path / "src", dst, bits=8).notes
        assert "a sixteenth" in note.text
        assert run(tmp_path / "src", dst).notes == []

    def test_white_is_zero_is_inverted_within_the_stated_range(self, tmp_path, dst):
        src = tmp_path / "src"
        src.mkdir()
        tifffile.imwrite(src / "a.tif", deep(0), photometric="miniswhite")
        run(src, dst, bits=8, value_range=(0, 4095), to="gray")
        assert np.array_equal(pixels(dst / "a.png"), g2r.to_uint8(4095 - deep(0), (0, 4095)))

    @pytest.mark.parametrize("alpha", ["drop", (10, 20, 30)])
    def test_alpha(self, tmp_path, dst, alpha):
        rgba = gray(5, (6, 7, 4))
        write_png(tmp_path / "src" / "a.png", rgba)
        la = gray(6, (6, 7, 2))
        write_png(tmp_path / "src" / "b.png", la)
        run(tmp_path / "src", dst, alpha=alpha)
        assert np.array_equal(pixels(dst / "a.png"), g2r.to_rgb(rgba, "HWC", alpha=alpha))
        assert np.array_equal(pixels(dst / "b.png"), g2r.to_rgb(la, "HWC", alpha=alpha))
        run(tmp_path / "src", tmp_path / "gray", alpha="drop", to="gray")
        assert np.array_equal(pixels(tmp_path / "gray" / "b.png"), la[..., 0])

    def test_alpha_that_is_not_decided_is_refused(self, src, dst):
        write_png(src / "cats" / "z.png", gray(5, (6, 7, 4)))
        with pytest.raises(ChannelError, match=r'1 images have alpha, such as .cats/z.png.*"drop"'):
            run(src, dst)
        assert not dst.exists()

    def test_one_background_for_several_dtypes_is_refused(self, tmp_path, dst):
        write_png(tmp_path / "src" / "a.png", gray(5, (6, 7, 4)))
        tifffile.imwrite(
            tmp_path / "src" / "b.tif", gray(5, (6, 7, 4), 65536, np.uint16), photometric="rgb",
            extrasamples=["unassalpha"],
        )  # fmt: skip
        with pytest.raises(ChannelError, match=r"1 of uint16, such as 'b.tif', 1 of uint8"):
            run(tmp_path / "src", dst, alpha=(255, 255, 255))
        assert run(tmp_path / "src", dst, alpha=(0, 0, 0)).errors == []

    @pytest.mark.parametrize(
        ("size", "shape"), [(6, (6, 8)), ((5, 9), (5, 9)), (24, (24, 32)), (12, (12, 16))]
    )
    def test_size(self, src, dst, size, shape):
        run(src, dst, size=size, to="gray")
        result = pixels(dst / "cats" / "a.png")
        assert result.shape == shape
        assert result.dtype == np.uint16
        resized = PIL.Image.fromarray(deep(1).astype(np.float32)).resize(
            shape[::-1], PIL.Image.Resampling.BILINEAR
        )
        assert np.array_equal(result, np.rint(np.asarray(resized)))

    @pytest.mark.parametrize("turn", range(1, 9))
    def test_orientation(self, tmp_path, dst, turn):
        image = PIL.Image.fromarray(gray(0))
        exif = image.getexif()
        exif[0x0112] = turn
        (tmp_path / "src").mkdir()
        image.save(tmp_path / "src" / "a.png", exif=exif)
        run(tmp_path / "src", dst)
        upright = read(tmp_path / "src" / "a.png", orientation="apply").array
        assert np.array_equal(pixels(dst / "a.png")[..., 0], upright)
        run(tmp_path / "src", tmp_path / "kept", orientation="keep", size=(12, 16))
        assert np.array_equal(pixels(tmp_path / "kept" / "a.png")[..., 0], gray(0))
        record = json.loads((tmp_path / "kept" / KEPT).read_text().splitlines()[1])
        assert record.get("orientation", 1) == turn


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "to"),
        [(name, "rgb") for name in FILE_FORMATS]
        + [(name, "gray") for name, each in FILE_FORMATS.items() if each.holds_gray],
    )
    def test_8_bits_in_each(self, tmp_path, dst, name, to):
        smooth = np.add.outer(np.arange(0, 120, 3), np.arange(0, 100, 2)).astype(np.uint8)
        write_png(tmp_path / "src" / "a.png", smooth)
        run(tmp_path / "src", dst, format=name, to=to)
        (path,) = list_images(dst)
        assert path == {"png": "a.png", "jpeg": "a.jpg", "webp": "a.webp", "tiff": "a.tif"}[name]
        image = read(dst / path)
        assert image.format.lower() == name
        expected = g2r.to_rgb(smooth) if to == "rgb" else smooth
        difference = np.abs(image.array.astype(int) - expected)
        assert difference.max() <= (2 if name == "jpeg" else 0)
        if to == "rgb":
            assert (image.array == image.array[..., :1]).all()

    @pytest.mark.parametrize("name", ["jpeg", "webp"])
    def test_deep_files_are_refused(self, src, dst, name):
        with pytest.raises(OptionError, match=r"2 of uint16.*bits=8, value_range=") as told:
            run(src, dst, format=name)
        assert told.value.remedies == ("bits", "value_range", "format")
        assert not dst.exists()
        assert run(src, dst, format=name, bits=8, value_range=(0, 4095)).converted == 2

    def test_floats_in_png_are_refused(self, tmp_path, dst):
        write_tiff(tmp_path / "src" / "a.tif", np.ones((3, 4), np.float32))
        with pytest.raises(OptionError, match=r"1 of float32.*format=None"):
            run(tmp_path / "src", dst, format="png")
        assert not dst.exists()

    def test_gray_webp_is_refused(self, src, dst):
        with pytest.raises(OptionError, match='"png", "jpeg", "tiff"'):
            run(src, dst, format="webp", to="gray", bits=8, value_range=(0, 4095))


class TestNames:
    def test_the_tree_is_kept_for_imagefolder(self, src, dst):
        write_png(src / "cats" / "more" / "deep.v2.png", gray(0))
        PIL.Image.fromarray(gray(1)).save(src / "dogs" / "X.JPEG")
        run(src, dst)
        assert list_images(dst) == [
            "cats/a.png", "cats/more/deep.v2.png", "dogs/X.png", "dogs/b.png",
        ]  # fmt: skip
        assert sorted(p.name for p in dst.iterdir() if p.is_dir()) == ["cats", "dogs"]
        assert [p.name for p in dst.iterdir() if p.is_file()] == [KEPT]
        assert not any(p.name.startswith(".") for p in dst.rglob("*"))

    def test_a_suffix_of_no_image_format_is_part_of_the_name(self, tmp_path, dst):
        for name in ("1.2.840.1", "1.2.840.2", "plain"):
            write_png(tmp_path / "src" / name, gray(0))
        run(tmp_path / "src", dst)
        assert list_images(dst) == ["1.2.840.1.png", "1.2.840.2.png", "plain.png"]

    @pytest.mark.parametrize("options", [{"metadata": None}, {"imagej": True}])
    def test_pages_have_numbers(self, tmp_path, dst, options):
        stack = deep(0, (3, 5, 6))
        write_tiff(tmp_path / "src" / "s.tif", stack, **options)
        assert run(tmp_path / "src", dst).converted == 3
        assert list_images(dst) == [f"s_00000{k}.png" for k in range(3)]
        assert np.array_equal(pixels(dst / "s_000001.png"), g2r.to_rgb(stack[1]))

    def test_animations(self, tmp_path, dst):
        frames = [PIL.Image.fromarray(gray(k)) for k in range(3)]
        (tmp_path / "src").mkdir()
        frames[0].save(tmp_path / "src" / "a.gif", save_all=True, append_images=frames[1:])
        run(tmp_path / "src", dst, to="gray")
        assert np.array_equal(pixels(dst / "a_000002.png"), gray(2))

    def test_an_array_as_source(self, tmp_path, dst):
        stack = deep(0, (5, 8, 9))
        np.save(tmp_path / "x.npy", stack)
        assert run(tmp_path / "x.npy", dst).converted == 5
        assert np.array_equal(pixels(dst / "x_000002.png"), g2r.to_rgb(stack[2]))

    def test_odd_names(self, tmp_path, dst):
        names = ["with space.png", "line\nbreak.png", "ünïcode.png", os.fsdecode(b"byte\xff.png"),
                 "-dash.png", "a[1].png"]  # fmt: skip
        for k, name in enumerate(names):
            write_png(tmp_path / "src" / name, gray(k))
        done = run(tmp_path / "src", dst)
        assert done.errors == []
        assert list_images(dst) == sorted(names)
        assert run(tmp_path / "src", dst).already_done == len(names)

    def test_two_sources_with_one_target(self, src, dst):
        PIL.Image.fromarray(gray(0)).save(src / "cats" / "a.jpg")
        with pytest.raises(TargetError, match=r"'cats/a.jpg' and 'cats/a.png'.* 'cats/a.png'"):
            run(src, dst)
        assert not dst.exists()

    def test_a_page_with_the_name_of_a_file(self, tmp_path, dst):
        write_tiff(tmp_path / "src" / "s.tif", deep(0, (3, 5, 6)))
        write_png(tmp_path / "src" / "s_000001.png", gray(0))
        with pytest.raises(TargetError, match=r"'s.tif\[1\]' and 's_000001.png'"):
            run(tmp_path / "src", dst)

    def test_a_file_with_the_name_of_a_folder(self, tmp_path, dst):
        write_tiff(tmp_path / "src" / "a.tif", gray(0))
        write_png(tmp_path / "src" / "a.png" / "b.png", gray(0))
        with pytest.raises(TargetError, match=r"'a.tif' would be the file 'a.png'"):
            run(tmp_path / "src", dst)
        assert not dst.exists()


class TestSources:
    def test_unreadable_files_are_named_and_nothing_is_written_for_them(self, src, dst):
        data = (src / "cats" / "a.png").read_bytes()
        (src / "cats" / "half.png").write_bytes(data[: len(data) // 2])
        (src / "cats" / "empty.png").write_bytes(b"")
        (src / "cats" / "notes.txt").write_text("not an image")
        os.mkfifo(src / "cats" / "pipe.png")
        done = run(src, dst)
        assert not done.is_complete
        assert [path for path, _ in done.errors] == ["cats/empty.png", "cats/half.png"]
        assert all(str(src) not in reason for _, reason in done.errors)
        assert sorted(path for path, _ in done.skipped) == ["cats/notes.txt", "cats/pipe.png"]
        assert list_images(dst) == ["cats/a.png", "dogs/b.png"]
        told = (dst / KEPT).read_text()
        assert '"path": "cats/half.png"' in told
        assert '"path": "cats/notes.txt", "skipped": ' in told

    def test_a_folder_without_images(self, tmp_path, dst):
        (tmp_path / "src").mkdir()
        with pytest.raises(ImageFileError):
            run(tmp_path / "src", dst)
        (tmp_path / "src" / "notes.txt").write_text("x")
        with pytest.raises(ImageFileError, match="no image is in it"):
            run(tmp_path / "src", dst)
        with pytest.raises(FileNotFoundError):
            run(tmp_path / "nowhere", dst)
        assert not dst.exists()

    def test_a_source_is_never_changed(self, src, dst):
        before = read_tree(src)
        run(src, dst, size=4, bits=8, value_range=(0, 4095))
        assert read_tree(src) == before

    @pytest.mark.parametrize("place", ["same", "within", "above", "link", "deeper"])
    def test_source_and_target_apart(self, src, tmp_path, place):
        if place == "link":
            (tmp_path / "link").symlink_to(src)
        target = {"same": src, "within": src / "out", "above": tmp_path, "link": tmp_path / "link",
                  "deeper": src / "cats" / ".." / "cats" / "x"}[place]  # fmt: skip
        before = read_tree(tmp_path)
        with pytest.raises(TargetError, match="SRC"):
            run(src, target)
        assert read_tree(tmp_path) == before

    def test_files_of_a_glob_in_the_target(self, src):
        before = read_tree(src)
        with pytest.raises(TargetError, match="lies in DST"):
            run(f"{src}/**/*.png", src / "cats")
        assert read_tree(src) == before

    def test_files_that_are_there_are_not_written_over(self, src, dst):
        (dst / "cats").mkdir(parents=True)
        (dst / "cats" / "a.png").write_bytes(b"precious")
        before = read_tree(dst)
        with pytest.raises(TargetError, match=r"cats/a.png'.*move it away"):
            run(src, dst)
        assert read_tree(dst) == before
        (dst / "cats" / "a.png").unlink()
        (dst / "cats" / "other.txt").write_text("stays")
        run(src, dst)
        assert (dst / "cats" / "other.txt").read_text() == "stays"

    @pytest.mark.parametrize("make", [os.link, os.symlink])
    def test_links_to_a_source_at_the_name_of_a_target(self, src, dst, make):
        (dst / "cats").mkdir(parents=True)
        make(src / "cats" / "a.png", dst / "cats" / "a.png")
        before = read_tree(src)
        with pytest.raises(TargetError, match=r"cats/a.png"):
            run(src, dst)
        assert read_tree(src) == before

    def test_a_link_that_leads_out_of_the_target(self, src, dst, tmp_path):
        dst.mkdir()
        (tmp_path / "elsewhere").mkdir()
        (dst / "cats").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(TargetError, match="leads out of the target"):
            run(src, dst)
        assert list((tmp_path / "elsewhere").iterdir()) == []

    def test_a_file_where_a_folder_has_to_be(self, src, dst):
        dst.mkdir()
        (dst / "cats").write_text("a file")
        with pytest.raises(TargetError, match=r"cats'.*move it away"):
            run(src, dst)
        assert (dst / "cats").read_text() == "a file"

    @pytest.mark.parametrize("name", ["x.png", "x.tif", "x.dcm"])
    def test_a_target_with_the_name_of_an_image(self, src, tmp_path, name):
        with pytest.raises(TargetError, match="the name of one image"):
            run(src, tmp_path / name)
        (tmp_path / "file").write_text("x")
        with pytest.raises(TargetError, match="is a file, and a conversion writes a folder"):
            run(src, tmp_path / "file")


class TestDryRun:
    def test_it_says_what_would_be_done_and_writes_nothing(self, src, dst, tmp_path):
        write_tiff(src / "cats" / "f.tif", np.ones((3, 4), np.float32))
        (src / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        before = read_tree(tmp_path)
        done = run(src, dst, dry_run=True)
        assert (done.converted, done.is_dry_run) == (3, True)
        assert [(k.images, k.target) for k in done.kinds] == [
            (2, "PNG, uint16, 3 channels"), (1, "TIFF, float32, 3 channels"),
        ]  # fmt: skip
        assert [path for path, _ in done.errors] == ["bad.png"]
        assert read_tree(tmp_path) == before
        assert not dst.exists()

    def test_it_refuses_what_the_run_refuses(self, src, dst):
        write_png(src / "wide.png", np.zeros((5, 40), np.uint16))
        with pytest.raises(OptionError, match="3 of uint16"):  # of two sizes
            run(src, dst, dry_run=True, format="jpeg")

    def test_it_knows_what_is_done(self, src, dst):
        run(src, dst)
        before = read_tree(dst)
        write_png(src / "cats" / "z.png", gray(0))
        done = run(src, dst, dry_run=True)
        assert (done.converted, done.already_done) == (1, 2)
        assert read_tree(dst) == before


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"to": "RGB"}, OptionError, 'to is one of "rgb", "gray"'),
        ({"bits": 16}, OptionError, 'bits is one of "keep", 8'),
        ({"bits": True}, OptionError, "bits is one of"),
        ({"value_range": (5, 5)}, LevelsError, "range is empty"),
        ({"value_range": "auto"}, LevelsError, "value_range is"),
        ({"alpha": "white"}, ChannelError, "alpha is"),
        ({"size": 0}, OptionError, "size is the length"),
        ({"size": (224,) * 3}, OptionError, "size is the length"),
        ({"size": 2.5}, OptionError, "size is the length"),
        ({"orientation": "exif"}, OptionError, "orientation is one of"),
        ({"format": "bmp"}, OptionError, "format is one of"),
        ({"workers": 0}, OptionError, "workers is a number from 1"),
    ],
)
def test_options_that_are_not_allowed(src, dst, options, error, says):
    with pytest.raises(error, match=says):
        run(src, dst, **options)
    assert not dst.exists()


@pytest.mark.slow
def test_workers_give_the_same_bytes(src, dst, tmp_path):
    for k in range(30):
        write_png(src / "more" / f"{k}.png", deep(k, (40, 50)))
    run(src, dst)
    run(src, tmp_path / "two", workers=2)
    assert read_tree(dst) == read_tree(tmp_path / "two")
    shutil.rmtree(src / "more")
