"""benchmarks/speed/loading.py: its ways and their reference, its processes, and its tables."""

import ast
import json
from contextlib import ExitStack
from pathlib import Path

import click
import numpy as np
import psutil
import pytest
from click.testing import CliRunner
from PIL import Image

from ..support import needs, needs_package

needs("opencv", "pillow", "skimage", "torchvision")
needs_package("foolbox")
needs_package("torch")

from benchmarks import photo_files, usage  # noqa: E402
from benchmarks.speed import loading, loading_report, loading_ways  # noqa: E402
from benchmarks.speed.loading_ways.__main__ import Request, answer  # noqa: E402
from benchmarks.speed.loading_ways.job import Form, Job  # noqa: E402
from benchmarks.speed.loading_ways.process import WayProcess  # noqa: E402
from benchmarks.speed.loading_ways.reference import (  # noqa: E402
    BOUND,
    WRONG,
    compare,
    make_reference,
    to_levels,
)
from benchmarks.speed.loading_ways.table import (  # noqa: E402
    OURS,
    REFERENCE,
    WAYS,
    Way,
    choose_ways,
)
from graytorgb.core.processor_count import count_processors  # noqa: E402

KINDS = photo_files.KINDS
FILES, BATCH = 4, 2
# Those whose libraries the tests have, and that are imported in less than seconds
TESTED = [OURS, "graytorgb, channels=1", "graytorgb, uint8", REFERENCE,
          "ImageFolder + v2 on tensors", "OpenCV by hand"]  # fmt: skip
CELLS = [(WAYS[name], kind) for name in TESTED for kind in KINDS if kind.folder in WAYS[name].kinds]
MACHINE = {
    "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
    "packages": {"numpy": "2"},
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A set of a few smooth photos of each kind, with the reference of each."""
    work = tmp_path_factory.mktemp("loading")
    for k, kind in enumerate(KINDS):
        (work / "smooth" / kind.folder).mkdir(parents=True)
        photo_files._write(work / "smooth", KINDS, False, k, range(FILES))
    plan = loading.Plan(FILES, 1, BATCH, (0,))
    return loading.link_parts(loading.PHOTOS, work / "smooth", work, KINDS, plan)


def ask(files, kind, *, workers=0):
    request = Request(str(files.find_root(kind, 0)), kind.name, workers, BATCH)
    return request.with_reference(files.find_root(kind, "check"), files.find_reference(kind))


# the files


def test_noise_is_added_to_the_same_crops():
    noisy, smooth = (
        photo_files.draw_crop(np.random.default_rng(3), is_color=False, bits=8, is_noisy=flag)
        for flag in (True, False)
    )
    noise = noisy.astype(float) - smooth
    inside = (smooth > 10) & (smooth < 245)
    assert noise[inside].std() == pytest.approx(2, abs=0.1)
    assert abs(noise[inside].mean()) < 0.1


def test_the_parts_are_different_files_in_two_classes(files, tmp_path):
    plan = loading.Plan(FILES, 2, 1, (0,))
    source = files.folder.parent / "smooth"
    made = loading.link_parts("parts", source, tmp_path, KINDS[1:2], plan)
    names = []
    for part in range(made.parts):
        root = made.find_root(KINDS[1], part)
        assert sorted(each.name for each in root.iterdir()) == list(loading.CLASSES)
        names += [path.name for path in Job(root, KINDS[1], 0, 1).paths]
    assert names == [f"{number:06d}.jpg" for number in range(FILES)]


# the reference


@pytest.mark.parametrize(("white", "dtype"), [(255, np.uint8), (65535, np.uint16)])
def test_the_reference_of_an_image_that_needs_no_resizing(tmp_path, white, dtype):
    pixels = np.random.default_rng(0).integers(0, white + 1, (256, 258)).astype(dtype)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    (levels,) = make_reference([tmp_path / "x.png"], white)
    expected = np.rint(pixels[16:240, 17:241] * (255 / white))
    np.testing.assert_allclose(levels, expected, atol=1 if white > 255 else 0)


def test_levels_of_every_form():
    levels = np.random.default_rng(0).integers(0, 256, (2, 3, 5, 1)).astype(np.float32)
    mean, std = np.float32(loading_ways.job.MEAN), np.float32(loading_ways.job.STD)
    rgb = (levels / 255 - mean) / std
    first = np.moveaxis(rgb, -1, 1)
    for batch, form, layout in (
        (first, Form.RGB, "NCHW"), (rgb, Form.RGB, "NHWC"),
        (np.moveaxis(levels, -1, 1) / 255, Form.GRAY, "NCHW"),
        (np.moveaxis(levels, -1, 1).astype(np.uint8), Form.BYTES, "NCHW"),
    ):  # fmt: skip
        found = to_levels(batch, form, layout, is_color=False)
        np.testing.assert_allclose(found, np.broadcast_to(levels, found.shape), atol=1e-3)
    luma = to_levels(first, Form.RGB, "NCHW", is_color=True)
    np.testing.assert_allclose(luma, levels, atol=1e-3)


@pytest.mark.parametrize(
    ("way", "kind"), CELLS, ids=[f"{way.name}-{kind.folder}" for way, kind in CELLS]
)
def test_a_cell_is_compared_with_the_reference(files, way, kind):
    """A cell passes as it is, and doesn't with other pixels, another order or a missing image."""
    job = ask(files, kind).to_job()
    batches = [np.asarray(batch).copy() for batch in way.load()(job)]
    expected = np.load(files.find_reference(kind, stored_luma=way.is_ours))

    def check(levels):
        return compare(batches, job, way.form, way.layout, levels)._asdict()

    found = check(expected)
    label = {"way": way.name, "kind": kind.name, "workers": 0}
    channels, size = (3 if way.form is Form.RGB else 1), (1 if way.form is Form.BYTES else 4)
    assert found["image_bytes"] == 224 * 224 * channels * size
    if way.is_ours:
        loading.refuse_wrong(label, found, BOUND)
    elif way.name == REFERENCE:
        assert (found["mean"] > WRONG) == (kind.folder == "png-16")  # which ImageFolder clips
    for spoiled in (np.where(expected < 128, expected + 9, expected - 9), expected[::-1]):
        with pytest.raises(click.ClickException, match="pixels are off by"):
            loading.refuse_wrong(label, check(spoiled), BOUND)
    for other in (expected[:-1], np.concatenate([expected, expected[:1]])):
        with pytest.raises(ValueError, match="expected"):
            check(other)


def test_one_pixel_that_is_off_is_found(files):
    kind = KINDS[1]
    job = ask(files, kind).to_job()
    expected = np.load(files.find_reference(kind))
    batch = (expected[:, None] / 255).astype(np.float32)
    assert compare([batch[:3], batch[3:]], job, Form.GRAY, "NCHW", expected).largest < 1e-3
    batch[2, 0, 7, 9] = 1 - batch[2, 0, 7, 9]
    off = compare([batch], job, Form.GRAY, "NCHW", expected)
    assert off.largest == pytest.approx(abs(255 - 2 * expected[2, 7, 9]), abs=1e-3)
    batch[:] = np.nan
    lost = compare([batch], job, Form.GRAY, "NCHW", expected)
    with pytest.raises(click.ClickException):
        loading.refuse_wrong({"way": "w", "kind": "k", "workers": 0}, lost._asdict(), 1.0)


# the table of ways


@pytest.mark.parametrize("way", WAYS.values(), ids=lambda way: way.name)
def test_a_way_is_a_function_of_its_module(way):
    module, _, function = way.opens.partition(":")
    path = Path(loading_ways.__file__).parent / f"{module}.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert set(way.kinds) <= {kind.folder for kind in KINDS}


def test_ours_and_the_reference_are_always_measured():
    assert [way.name for way in choose_ways("DALI$")] == [OURS, REFERENCE, "DALI"]
    assert choose_ways() == tuple(WAYS.values())


# the processes


def test_a_process_that_ends_says_why():
    with WayProcess(Way("unknown", "ours:open_rgb", "graytorgb")) as process:
        process.wait_until_ready()
        assert process.error == "its process ended with 1: KeyError: 'unknown'"
        answered = process.ask(Request("root", KINDS[0].name, 0, 1))
        assert answered == {"error": process.error}


def test_an_error_of_a_library_is_an_answer(files, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.jpg").write_bytes(b"no image")
    found = answer(WAYS[REFERENCE], Request(str(tmp_path), KINDS[1].name, 0, 1))
    assert found["error"].startswith("UnidentifiedImageError: cannot identify")


class Answers:
    """A process that answers at once; in kinds whose name contains `failing` it fails."""

    def __init__(self, failing="none of them", largest=0.5):
        self.failing, self.largest, self.asked = failing, largest, []

    def ask(self, request):
        self.asked.append(request)
        if self.failing in request.kind:
            return {"error": "OSError: no"}
        if request.reference:
            return {"largest": self.largest, "mean": 0.1, "image_bytes": 8}
        return {"images": 4, "seconds": 0.4, "cpu_seconds": 0.2}

    def ask_memory(self, request):
        return self.ask(request), usage.Memory(9, 3)


def new_document():
    return {"rows": [], "checks": [], "memory": [], "failures": []}


def test_every_cell_is_measured_in_every_round(files):
    document = new_document()
    peer = Answers(failing="PNG gray, 16")
    processes = {WAYS[OURS]: Answers(), WAYS["timm create_loader"]: peer}
    loading.measure_set(files._replace(workers=(0, 2)), processes, 3, BATCH, document)
    cells = {(row["way"], row["kind"], row["workers"], row["round"]) for row in document["rows"]}
    assert len(cells) == len(document["rows"]) == 3 * 2 * (len(KINDS) + 3)
    assert len(document["checks"]) == len(document["memory"]) == 2 * (len(KINDS) + 3)
    failures = [(each["kind"], each["workers"], each["error"]) for each in document["failures"]]
    assert sorted(failures) == [("PNG gray, 16 bits", n, "OSError: no") for n in (0, 2)]
    assert sum("16" in request.kind for request in peer.asked) == 2  # it isn't asked again


@pytest.mark.parametrize(
    ("process", "said"), [(Answers(failing="JPEG"), "OSError: no"), (Answers(largest=4.2), "4.20")]
)
def test_our_own_failure_ends_the_run(files, process, said):
    cell = loading.Cell(WAYS[OURS], KINDS[0], 0)
    with pytest.raises(click.ClickException, match=f"graytorgb, JPEG color, 0 workers: .*{said}"):
        loading.measure_cell(files, cell, process, 0, BATCH, new_document())


def test_busy_cores_are_let_go():
    before = psutil.Process().children()  # such as those that other tests leave running
    with loading.keep_busy():
        spinning = [child for child in psutil.Process().children() if child not in before]
        assert len(spinning) == count_processors()
    assert not any(each.is_running() for each in spinning)


@pytest.mark.slow
def test_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(loading, "KINDS", KINDS[1:2])
    arguments = ["--files", "2", "--batch", "2", "--rounds", "1", "--workers", "0,1",
                 "--only", "^$", "--no-short", "--output", str(tmp_path)]  # fmt: skip
    result = CliRunner().invoke(loading.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document = json.loads((tmp_path / "loading.json").read_text())
    assert {(row["way"], row["workers"], row["round"]) for row in document["rows"]} == {
        (way, workers, 0) for way in (OURS, REFERENCE) for workers in (0, 1)
    }
    assert all(row["images"] == 2 and row["cpu_seconds"] > 0 for row in document["rows"])
    assert all(row["total"] > 10e6 for row in document["memory"])
    assert "JPEG gray, " in (tmp_path / "loading.md").read_text()


def test_fewer_files_than_a_batch_are_refused():
    result = CliRunner().invoke(loading.main, ["--files", "3"])
    assert result.exit_code == 2
    assert "--files 40 or --batch 3" in result.output


# the tables


def make_document():
    """Results in which we are 4 times as fast as the reference, and DALI's CPU time is less."""
    kind = "JPEG gray"
    cpu = {OURS: 0.25, REFERENCE: 1.0, "DALI": 0.2, "DALI, GRAY": 0.1, "timm create_loader": 0.5}
    rows = [
        {"set": "photos", "kind": kind, "way": way, "workers": workers, "round": turn,
         "images": 100, "seconds": 0.5, "cpu_seconds": seconds * (turn + 1)}
        for way, seconds in cpu.items() for workers in (0, 1) for turn in (0, 1)
    ]  # fmt: skip
    where = [{"set": "photos", "kind": kind, "way": way, "workers": 0} for way in cpu]
    checks = [
        {**each, "largest": 240.0 if each["way"] == "DALI" else 0.5, "mean": 99.0,
         "image_bytes": 602_112} for each in where
    ]  # fmt: skip
    for check in checks:
        check["mean"] = 99.0 if check["way"] == "DALI" else 0.1
    failure = {**where[0], "way": "SPDL", "error": "RuntimeError: no FFmpeg"}
    return {
        "machine": MACHINE, "load_before": 0.5, "files": 200, "rounds": 2, "batch": 40,
        "bytes": {"photos": {kind: 42_000.0}}, "ways": [*cpu, "SPDL"],
        "luma": {"largest": 9.0, "within_3": 0.9991},
        "not_installed": ["TorchCodec + v2"], "rows": rows, "checks": checks, "failures": [failure],
        "memory": [{**each, "total": 500e6, "worker": 0} for each in where],
    }  # fmt: skip


def test_a_table_has_the_ways_by_their_time():
    text = loading_report.markdown(make_document())
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    names = [line.split(" | ")[0].removeprefix("| ") for line in lines]
    assert names == ["DALI, GRAY", "DALI", OURS, "timm create_loader", REFERENCE]
    ours = f"| {OURS} | RGB, normalized | 3.75 | 4.00 (4.00 to 4.00) | 3.75 | 200 / 200 |"
    assert lines[2].startswith(ours)
    assert "**wrong pixels**: 240, 99 on average" in lines[1]
    assert "JPEG gray, 42 kB a file:" in text
    assert "SPDL failed with 0 workers: RuntimeError: no FFmpeg." in text
    assert "Not installed here: TorchCodec + v2." in text


def test_every_loss_is_listed():
    document = make_document()
    text = loading_report.markdown(document)
    losses = text[text.index("\n- ") :]
    for workers in (0, 1):
        assert (
            f"- JPEG gray, {workers} workers: DALI takes 0.80 of the CPU time of graytorgb, "
            "with wrong pixels\n"
        ) in losses
    assert "DALI, GRAY" not in losses  # these are other batches than those of three channels
    assert "the bar" not in losses
    for row in document["rows"]:
        if row["way"] == OURS:
            row["cpu_seconds"] *= 2
        if row["way"] == "timm create_loader":
            row["seconds"] = 0.25
    losses = loading_report.markdown(document)
    assert "- JPEG gray: 2.00 times as fast as ImageFolder + v2, and the bar is 3.5\n" in losses
    assert "- JPEG gray, 1 workers: timm create_loader gives 2.00 times the images/s" in losses


def test_without_losses_the_list_says_so():
    document = make_document()
    document["rows"] = [row for row in document["rows"] if row["way"] in (OURS, REFERENCE)]
    assert loading_report.markdown(document).endswith("\n- nowhere\n")


def test_processes_are_started_for_what_is_installed(monkeypatch):
    class Started(WayProcess):
        def __init__(self, way):
            self.way, self.error = way, ""

        def wait_until_ready(self):
            self.error = f"asked {self.way.name}"

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(loading, "WayProcess", Started)
    missing = Way("missing", "ours:open_rgb", "a_library_that_is_not_there")
    with ExitStack() as stack:
        started = loading.start_processes(stack, [WAYS[OURS], missing])
    assert [(way, process.error) for way, process in started.items()] == [
        (WAYS[OURS], f"asked {OURS}")
    ]
