"""The parts of a conversion: formats, ranges of a set, the kept file and the ledger."""

import pickle
from contextlib import closing

import numpy as np
import pytest

from graytorgb.datasets.conversion_run.facts import Facts
from graytorgb.datasets.conversion_run.ledger import Ledger
from graytorgb.datasets.conversion_run.places import TARGETS, choose_target
from graytorgb.datasets.conversion_run.range import find_stated_range, list_too_shallow, pick_colors
from graytorgb.datasets.conversions.encoding import FILE_FORMATS, choose_format, encode
from graytorgb.datasets.conversions.options import Options, check_options
from graytorgb.datasets.conversions.planned import PlannedImage
from graytorgb.datasets.sources.items import Item
from graytorgb.datasets.targets.folder import name_file
from graytorgb.datasets.targets.journal import Journal, read_journal
from graytorgb.datasets.targets.protocol import Task
from graytorgb.errors import DtypeError, LevelsError, TargetError
from graytorgb.io import read

from ..support import needs, needs_package

needs("pillow")
needs_package("imagecodecs", "simplejpeg", "tifffile")

DEFAULTS = {
    "to": "rgb", "bits": "keep", "value_range": None, "alpha": None, "size": None,
    "orientation": "apply", "format": None,
}  # fmt: skip


def planned(path, frames=1, dtype="uint16", frame=None, index=None, value_range=None):
    item = Item(path, f"/data/{path}", index=index, size=7, modified=9)
    return PlannedImage(item, frame, frames, (4, 5, 3), dtype, value_range)


def ledger_of(*rows):
    """A ledger of files with such ranges, of depth or not, and dtypes."""
    ledger = Ledger()
    for number, (value_range, is_depth, dtype) in enumerate(rows):
        image = planned(f"{number}.png", dtype=dtype, value_range=value_range)
        ledger.add_facts(number, Facts(image, "PNG", False, is_depth, dtype))
    return ledger


class TestFormats:
    @pytest.mark.parametrize(
        ("name", "shape"),
        [(name, shape) for name in FILE_FORMATS for shape in ((70, 31, 3), (1, 1, 3))]
        + [
            (name, shape)
            for name, entry in FILE_FORMATS.items() if entry.holds_gray
            for shape in ((70, 31), (48, 7))
        ],
    )  # fmt: skip
    def test_every_dtype_comes_back(self, tmp_path, name, shape):
        entry = FILE_FORMATS[name]
        rng = np.random.default_rng(0)
        for dtype in entry.dtypes:
            array = (rng.random(shape) * 250).astype(dtype)
            path = tmp_path / f"x{entry.suffix}"
            path.write_bytes(encode(array, name))
            result = read(path, value_range="dtype").array
            expected = array * np.uint8(255) if dtype == "bool" else array
            assert (result.shape, result.dtype) == (shape, expected.dtype), dtype
            if name != "jpeg":
                assert np.array_equal(result, expected), dtype
            assert encode(array, name) == path.read_bytes()

    @pytest.mark.parametrize("name", FILE_FORMATS)
    def test_other_dtypes_are_an_error(self, name):
        with pytest.raises(DtypeError, match="not complex64"):
            encode(np.zeros((3, 4), np.complex64), name)

    def test_jpeg_is_sharp(self, tmp_path):
        """Of quality 95 and without subsampling, so that one pixel of color stays where it is."""
        array = np.full((16, 16, 3), 128, np.uint8)
        array[7, 7] = (255, 0, 0)
        (tmp_path / "x.jpg").write_bytes(encode(array, "jpeg"))
        difference = np.abs(read(tmp_path / "x.jpg").array.astype(int) - array)
        assert difference.max() < 25

    def test_png_is_no_larger_than_one_strategy_alone(self):
        """Of gray photos the way of run lengths is taken, of three equal channels the other."""
        import imagecodecs

        rng = np.random.default_rng(0)
        noisy = np.add.outer(np.arange(90), np.arange(80)) + rng.integers(0, 8, (90, 80))
        for array in (noisy.astype(np.uint8), np.stack([noisy.astype(np.uint8)] * 3, -1)):
            both = [
                len(imagecodecs.png_encode(array, level=1, strategy=3)),
                len(imagecodecs.png_encode(array, level=3)),
            ]
            assert len(encode(array, "png")) == min(both)

    def test_the_format_of_a_dtype(self):
        assert [choose_format(None, each) for each in ("bool", "uint16", "int16", "float32")] == [
            "png", "png", "tiff", "tiff",
        ]  # fmt: skip
        assert choose_format("webp", "float32") == "webp"


class TestNames:
    @pytest.mark.parametrize(
        ("image", "name"),
        [
            (planned("a/b.dcm"), "a/b.png"),
            (planned("a/b.v2.JPG"), "a/b.v2.png"),
            (planned("a/1.2.840.9"), "a/1.2.840.9.png"),
            (planned(".png"), ".png.png"),
            (planned("s.tif", dtype="float32"), "s.tif"),
            (planned("s.tif", frames=3, frame=2), "s_000002.png"),
            (planned("s.tif", frames=1, frame=0), "s.png"),
            (planned("x.npy[17]", index=17), "x_000017.png"),
            (planned("x[1].npy[2,17]", index=99), "x[1]_000002_000017.png"),
            (planned("x.npz[scans/ct][3]", index=3), "x_scans_ct_000003.png"),
            (planned("a[3].png"), "a[3].png"),
        ],
    )
    def test_a_file_in_the_folder(self, image, name):
        assert name_file(image, Options()) == name

    @pytest.mark.parametrize("path", ["../a.png", "a/../../b.png", "/a.png"])
    def test_a_path_that_leads_out(self, path):
        with pytest.raises(TargetError, match="outside of the source"):
            name_file(planned(path), Options())


class TestRange:
    def test_one_for_all(self):
        rows = [((0, 4095), True, "uint16")] * 2 + [((0, 1), True, "bool")]
        assert find_stated_range(ledger_of(*rows)) == (0, 4095)
        assert find_stated_range(ledger_of(((0, 1), True, "bool"))) is None

    def test_windows_of_one_depth_are_joined(self):
        windows = [((-200, 300), False, "int16"), ((-1000, 100), False, "int16")]
        assert find_stated_range(ledger_of(*windows)) == (-1000, 300)

    @pytest.mark.parametrize(
        "rows",
        [
            [((0, 255), True, "uint8"), ((0, 65535), True, "uint16")],
            [((0, 4095), True, "uint16"), ((0, 65535), True, "uint16")],
            [((0, 4095), False, "uint16"), ((0, 65535), True, "uint16")],
            [((0, 4095), False, "uint16"), ((0, 300), False, "int16")],
            [(None, False, "float32")],
            [(None, False, "float32"), ((0, 1), False, "float32")],
        ],
    )
    def test_several_are_an_error(self, rows):
        with pytest.raises(LevelsError, match=r"no one range.*such as '0.png'"):
            find_stated_range(ledger_of(*rows))

    def test_8_bits_under_more(self):
        ledger = ledger_of(((0, 255), True, "uint8"), ((0, 4095), True, "uint16"))
        assert list_too_shallow(ledger, (0, 4095)) == [(1, "0.png")]
        for fine in ((0, 255), "dtype", None):
            assert list_too_shallow(ledger, fine) == []

    def test_color_samples(self):
        rng = np.random.default_rng(0)
        rgba = rng.integers(0, 9, (4, 5, 4))
        assert np.array_equal(pick_colors(rgba, "HWC"), rgba[..., :3])
        assert np.array_equal(pick_colors(np.moveaxis(rgba, -1, 0), "CHW"), rgba[..., :3])
        rgba[..., :3] = rgba[..., :1]
        assert np.array_equal(pick_colors(rgba, "HWC"), rgba[..., :1])
        assert pick_colors(rgba[..., 0], "HW").shape == (4, 5)


class TestOptions:
    def test_the_fingerprint_is_of_what_changes_bytes(self):
        base = check_options(**DEFAULTS)
        changes = {
            "to": "gray", "bits": 8, "alpha": "drop", "size": 3, "orientation": "keep",
            "format": "tiff",
        }  # fmt: skip
        prints = {check_options(**{**DEFAULTS, k: v}).fingerprint() for k, v in changes.items()}
        assert len(prints | {base.fingerprint()}) == len(changes) + 1
        ranged = check_options(**{**DEFAULTS, "value_range": (0, 4095)})
        assert ranged.fingerprint() == base.fingerprint()
        eight = {**DEFAULTS, "bits": 8}
        assert (
            check_options(**{**eight, "value_range": (0, 4095)}).fingerprint()
            != check_options(**{**eight, "value_range": (0, 1023)}).fingerprint()
        )
        assert pickle.loads(pickle.dumps(ranged)) == ranged

    def test_a_task_knows_its_source(self):
        options = Options()
        one = Task("a.png", 0, (planned("a.png"),))
        assert one.fingerprint(options) == Task("a.png", 5, one.images).fingerprint(options)
        for other in (
            planned("b.png"),
            PlannedImage(Item("a.png", "/x", None, 8, 9), None, 1, (4, 5, 3), "uint16"),
            PlannedImage(Item("a.png", "/x", None, 7, 8), None, 1, (4, 5, 3), "uint16"),
        ):
            assert Task("a.png", 0, (other,)).fingerprint(options) != one.fingerprint(options)


class TestKeptFile:
    def test_it_comes_back(self, tmp_path):
        records = [{"key": "a\udcff.png", "size": 3}, {"error": "x", "path": "b\n.png"}]
        with closing(Journal(tmp_path / "deep" / "kept")) as journal:
            journal.lock(create=False)
            assert not journal.is_locked
            journal.lock(create=True)
            assert journal.is_locked
            journal.begin({"images": 2}, records[:1])
            journal.add(records[1:])
            head, *rest = read_journal(journal.path)
            assert (head["run"], rest) == (journal.run, records)
            journal.finish({"images": 2}, records)
        head, *rest = read_journal(journal.path)
        assert ("run" in head, head["images"], rest) == (False, 2, records)
        assert [p.name for p in journal.path.parent.iterdir()] == ["kept"]

    @pytest.mark.parametrize("end", [b'{"key": "b', b'{"key": "b"}', b"\x00\xff", b"{}\n[1]\n"])
    def test_what_is_torn_is_left_out(self, tmp_path, end):
        with closing(Journal(tmp_path / "kept")) as journal:
            journal.lock(create=True)
            journal.finish({}, [{"key": "a"}])
        with journal.path.open("ab") as file:
            file.write(end)
        assert [r["key"] for r in list(read_journal(journal.path))[1:] if r] == ["a"]

    def test_an_empty_or_missing_file(self, tmp_path):
        assert list(read_journal(tmp_path / "kept")) == []
        (tmp_path / "kept").touch()
        assert list(read_journal(tmp_path / "kept")) == []

    def test_an_error_while_it_is_replaced_leaves_the_old_one(self, tmp_path):
        with closing(Journal(tmp_path / "kept")) as journal:
            journal.lock(create=True)
            journal.begin({}, [{"key": "a"}])
            before = journal.path.read_bytes()
            with pytest.raises(TypeError):
                journal.finish({}, [{"key": object()}])
            assert journal.path.read_bytes() == before
            assert [p.name for p in tmp_path.iterdir()] == ["kept"]


class TestLedger:
    def test_frames_and_failures(self):
        with Ledger() as ledger:
            stack = planned("s.tif", frames=3, frame=0)
            for number, image in enumerate([planned("a.png"), stack, planned("z.png")]):
                ledger.add_facts(number, Facts(image, "PNG", False, True, "uint16"))
            ledger.add_facts(3, Facts(planned("bad.png"), error="damaged"))
            ledger.add_facts(4, Facts(planned("notes"), is_image=False))
            names = ["a.png", "s.tif[0]", "s.tif[1]", "s.tif[2]", "z.png"]
            assert [image.name for image in ledger] == names
            ledger.fail_image(next(iter(ledger)), "gone")  # before the plan is fixed
            ledger.freeze()
            assert [image.name for image in ledger] == names[1:]
            ledger.fail_image(next(iter(ledger)), "torn")
            ledger.fail_image(list(ledger)[1], "torn")
            assert [image.name for image in ledger] == names[1:]
            assert (len(ledger), ledger.count_images()) == (4, 2)
            assert list(ledger.list_failed()) == [0, 1]
            assert list(ledger.list_problems()) == [
                {"error": "gone", "path": "a.png"},
                {"error": "torn", "path": "s.tif", "frame": 0},
                {"error": "torn", "path": "s.tif", "frame": 1},
                {"error": "damaged", "path": "bad.png"},
                {"path": "notes", "skipped": "not an image by its name or its content"},
            ]

    def test_names_that_differ_in_case(self):
        tasks = [Task(key, k, (planned(key),)) for k, key in enumerate(("A.png", "a.png"))]
        for is_case_ignored, expected in ((False, [None, None]), (True, [None, "A.png"])):
            with Ledger() as ledger:
                found = [
                    ledger.add_task(t.start, t, "", is_case_ignored=is_case_ignored) for t in tasks
                ]
                assert found == expected


def test_the_kind_of_a_target(tmp_path):
    assert type(choose_target(tmp_path / "folder")).__name__ == "FolderTarget"
    assert type(choose_target(tmp_path / "v1.2")).__name__ == "FolderTarget"
    (tmp_path / "x.png").mkdir()
    assert type(choose_target(tmp_path / "x.png")).__name__ == "FolderTarget"
    assert "" in TARGETS
