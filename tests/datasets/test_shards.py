"""Targets of shards: stopped runs, files that can't be read, and what is refused."""

import json
import pickle
import tarfile
from contextlib import suppress

import numpy as np
import pytest

from graytorgb.datasets.conversion import convert
from graytorgb.datasets.conversion_run.places import choose_target
from graytorgb.datasets.sources.items import Item
from graytorgb.datasets.targets.protocol import Outcome
from graytorgb.datasets.targets.shards import ShardTarget
from graytorgb.errors import OptionError, TargetError

from ..support import needs_package
from .shard_targets import (
    KINDS,
    Stopped,
    convert_here,
    count_stops,
    damage,
    make_source,
    read_tree,
    small_shards,
    stopping,
)

needs_package("zarr")
import zarr  # noqa: E402

pytestmark = pytest.mark.usefixtures("small_shards")
assert small_shards

# With a step of 1 every moment is tried, which takes a minute and a half
STEPS = {"out.zarr": 17, "out.npy": 7, "out.tar": 7}
kinds = pytest.mark.parametrize("name", KINDS)


def read_paths(path):
    """Return the paths of the images of a target."""
    if path.suffix == ".zarr":
        return list(zarr.open_group(path, mode="r")["paths"][:])
    told = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    if path.suffix == ".npy":
        return [image["path"] for image in told["images"]]
    paths = []
    for shard in told["shards"]:
        with tarfile.open(path.with_name(shard["name"])) as opened:
            members = [m for m in opened.getmembers() if m.name.endswith(".json")]
            paths += [json.loads(opened.extractfile(m).read())["path"] for m in members]
            assert shard["images"] == len(members)
    return paths


ALL = [f"class{c}/{k}.png" for c in range(2) for k in range(4)]


@kinds
@pytest.mark.parametrize("damaged", [(), ("class0/3.png",)], ids=["whole", "damaged"])
def test_a_run_that_was_stopped_at_any_moment_ends_with_the_same_bytes(tmp_path, name, damaged):
    src = make_source(tmp_path / "src")
    for each in damaged:
        damage(src / each)
    (tmp_path / "whole").mkdir()
    first = convert_here(src, tmp_path / "whole" / name)
    assert [path for path, _ in first.errors] == list(damaged)
    expected = read_tree(tmp_path / "whole")
    root, stops = tmp_path / "root", 0
    first, step = len(damaged) * 3, STEPS[name]
    for after in count_stops(src, root, name, first, step):
        stops += 1
        if stops % 3 == 1:  # stopped again
            with suppress(Stopped), stopping(root, after // 2):
                convert_here(src, root / name)
        convert_here(src, root / name)
        assert read_tree(root) == expected, after
    assert stops > 5
    assert read_tree(root) == expected


@kinds
def test_an_unfinished_target_does_not_look_whole(tmp_path, name):
    src = make_source(tmp_path / "src")
    root = tmp_path / "root"
    for _ in count_stops(src, root, name, 1, 2 * STEPS[name]):
        if name == "out.zarr":
            if (root / name / "zarr.json").exists():
                assert zarr.open_group(root / name, mode="r")["images"][:].shape == (8, 6, 9, 3)
                continue
            with pytest.raises(FileNotFoundError):
                zarr.open_group(root / name, mode="r")
        elif name == "out.npy":
            if (root / name).exists():
                assert np.load(root / name).shape == (8, 6, 9, 3)
        elif (root / "out.tar.json").exists():
            assert read_paths(root / name) == ALL


@kinds
@pytest.mark.parametrize(
    "lost",
    [(0,), (3,), (7,), (0, 1, 2), (2, 3), (0, 3, 7), (1, 2, 3, 4, 5, 6, 7)],
    ids=lambda lost: "-".join(map(str, lost)),
)
def test_an_image_that_cannot_be_read_leaves_no_row(tmp_path, name, lost):
    src = make_source(tmp_path / "src")
    clean = make_source(tmp_path / "clean")
    for number in lost:
        damage(src / ALL[number])
        (clean / ALL[number]).unlink()
    done = convert_here(src, tmp_path / name)
    assert [path for path, _ in done.errors] == [ALL[number] for number in lost]
    kept = [path for number, path in enumerate(ALL) if number not in lost]
    assert read_paths(tmp_path / name) == kept
    (tmp_path / "other").mkdir()
    convert_here(clean, tmp_path / "other" / name)
    if name == "out.zarr":
        images, expected = (
            zarr.open_group(each / name, mode="r")["images"][:]
            for each in (tmp_path, tmp_path / "other")
        )
        np.testing.assert_array_equal(images, expected)
    elif name == "out.npy":
        assert (tmp_path / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    again = convert_here(src, tmp_path / name)
    assert again.errors == done.errors


@kinds
def test_if_no_image_can_be_read_there_is_no_target(tmp_path, name):
    src = make_source(tmp_path / "src", count=1)
    for path in src.rglob("*.png"):
        damage(path)
    root = tmp_path / "root"
    assert len(convert_here(src, root / name).errors) == 2
    left = [path for path in read_tree(root) if path != name]
    assert len(left) == 1
    assert "graytorgb-convert.jsonl" in left[0]


@kinds
def test_an_image_that_is_repaired_gets_its_row(tmp_path, name):
    src = make_source(tmp_path / "src")
    expected = (tmp_path / "expected", tmp_path / "root")
    convert_here(src, expected[0] / name)
    image = (src / ALL[2]).read_bytes()
    damage(src / ALL[2])
    convert_here(src, expected[1] / name)
    (src / ALL[2]).write_bytes(image)
    done = convert_here(src, expected[1] / name)
    assert done.errors == []
    assert read_paths(expected[1] / name) == ALL


@kinds
def test_an_image_that_fails_for_a_while_gets_its_row_later(tmp_path, name, monkeypatch):
    src = make_source(tmp_path / "src")
    convert_here(src, tmp_path / "expected" / name)
    read = Item.read

    def fail(self, **options):
        if self.path == ALL[4]:
            raise OSError(5, "Input/output error")
        return read(self, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Item, "read", fail)
        done = convert_here(src, tmp_path / "root" / name)
    assert done.errors == [(ALL[4], "Input/output error")]
    assert read_paths(tmp_path / "root" / name) == [*ALL[:4], *ALL[5:]]
    assert convert_here(src, tmp_path / "root" / name).errors == []
    assert read_tree(tmp_path / "root") == read_tree(tmp_path / "expected")


@kinds
def test_a_shard_whose_worker_died_leaves_no_rows_and_is_tried_again(tmp_path, name, monkeypatch):
    src = make_source(tmp_path / "src")
    convert_here(src, tmp_path / "expected" / name)
    write, lost = ShardTarget.write, []

    def lose(target, task, request):
        if task.key != "shard 000001":
            return write(target, task, request)
        lost.extend(image.name for image in task.images)
        return Outcome(task, -1, tuple((image, "lost") for image in task.images))

    with monkeypatch.context() as patch:
        patch.setattr(ShardTarget, "write", lose)
        done = convert_here(src, tmp_path / "root" / name)
    assert done.errors == [(path, "lost") for path in lost]
    assert read_paths(tmp_path / "root" / name) == [path for path in ALL if path not in lost]
    assert convert_here(src, tmp_path / "root" / name).errors == []
    assert read_tree(tmp_path / "root") == read_tree(tmp_path / "expected")


@kinds
def test_an_image_that_vanishes_from_a_target_with_gaps_is_an_error(tmp_path, name, monkeypatch):
    src = make_source(tmp_path / "src")
    read = Item.read

    def fail(number):
        def read_or_fail(self, **options):
            if self.path == ALL[number]:
                raise OSError(5, "Input/output error")
            return read(self, **options)

        return read_or_fail

    for number, error in ((7, None), (0, f"{ALL[0]} is in .* and can't be read any more")):
        with monkeypatch.context() as patch:
            patch.setattr(Item, "read", fail(number))
            if error is None:
                convert_here(src, tmp_path / name)
                before = read_paths(tmp_path / name)
            else:
                with pytest.raises(TargetError, match=error):
                    convert_here(src, tmp_path / name)
    assert read_paths(tmp_path / name) == before
    convert_here(src, tmp_path / name)
    assert read_paths(tmp_path / name) == ALL


@kinds
def test_a_second_run_changes_nothing(tmp_path, name):
    src = make_source(tmp_path / "src")
    root = tmp_path / "root"
    assert convert_here(src, root / name).converted == 8
    before = read_tree(root)
    done = convert_here(src, root / name)
    assert (done.converted, done.already_done) == (0, 8)
    assert read_tree(root) == before


@kinds
def test_other_options_and_other_sources_replace_the_target(tmp_path, name):
    src = make_source(tmp_path / "src")
    root, expected = tmp_path / "root", tmp_path / "expected"
    convert_here(src, root / name)
    convert_here(src, root / name, to="gray")
    convert_here(src, expected / name, to="gray")
    assert read_tree(root) == read_tree(expected)
    for path in list(src.rglob("3.png")):
        path.unlink()
    convert_here(src, root / name)
    (tmp_path / "fewer").mkdir()
    convert_here(src, tmp_path / "fewer" / name)
    assert read_tree(root) == read_tree(tmp_path / "fewer")


@kinds
def test_a_target_that_lost_bytes_is_made_again(tmp_path, name):
    src = make_source(tmp_path / "src")
    root = tmp_path / "root"
    convert_here(src, root / name)
    expected = read_tree(root)
    data = {
        "out.zarr": "out.zarr/images/c/1/0/0/0",
        "out.npy": "out.npy",
        "out.tar": "out-000001.tar",
    }
    path = root / data[name]
    for size in (0, path.stat().st_size - 1):
        with path.open("r+b") as file:
            file.truncate(size)
        convert_here(src, root / name)
        assert read_tree(root) == expected


@kinds
def test_what_another_program_wrote_is_kept(tmp_path, name):
    src = make_source(tmp_path / "src")
    root = tmp_path / "root"
    convert_here(src, root / name)
    for kept in root.rglob("*graytorgb-convert.jsonl"):
        kept.unlink()
    before = read_tree(root)
    with pytest.raises(TargetError, match="not written by this conversion"):
        convert_here(src, root / name)
    assert read_tree(root) == before


@pytest.mark.parametrize(
    "name", ["out.zarr", *(pytest.param(name, marks=pytest.mark.slow) for name in KINDS[1:])]
)
def test_processes_write_what_one_process_does(tmp_path, name):
    src = make_source(tmp_path / "src")
    convert_here(src, tmp_path / "one" / name)
    convert(src, tmp_path / "two" / name, workers=2)
    assert read_tree(tmp_path / "one") == read_tree(tmp_path / "two")


@kinds
def test_a_dry_run_writes_nothing(tmp_path, name):
    src = make_source(tmp_path / "src")
    assert convert_here(src, tmp_path / "root" / name, dry_run=True).converted == 8
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("name", KINDS[:2])
def test_sizes_that_differ_are_refused_and_named(tmp_path, name):
    src = make_source(tmp_path / "src")
    make_source(tmp_path / "src", ("uint8",), count=1, shape=(8, 9))
    with pytest.raises(TargetError) as caught:
        convert_here(src, tmp_path / "root" / name)
    text = str(caught.value)
    assert "class0/0.png is 8 x 9" in text
    assert "class0/1.png is 6 x 9" in text
    assert "size=(224, 224)" in text
    assert caught.value.remedies == ("size",)
    assert not (tmp_path / "root").exists()
    assert convert_here(src, tmp_path / "root" / name, size=(5, 5)).converted == 8


@pytest.mark.parametrize("name", KINDS[:2])
def test_a_format_of_files_is_refused(tmp_path, name):
    src = make_source(tmp_path / "src")
    with pytest.raises(OptionError, match="this target is an array"):
        convert_here(src, tmp_path / "root" / name, format="png")


@kinds
def test_an_empty_folder_is_an_error(tmp_path, name):
    (tmp_path / "src").mkdir()
    with pytest.raises(ValueError, match="no file in it"):
        convert_here(tmp_path / "src", tmp_path / name)


@kinds
def test_a_target_goes_to_workers_as_a_few_bytes(tmp_path, name):
    target = choose_target(tmp_path / name)
    src = make_source(tmp_path / "src", count=1)
    convert_here(src, tmp_path / name)
    assert type(pickle.loads(pickle.dumps(target))) is type(target)
    assert len(pickle.dumps(target)) < 1000


@pytest.mark.parametrize(
    "files", [{".zgroup": '{"zarr_format": 2}'}, {"zarr.json": "{"}, {"notes.txt": ""}], ids=str
)
def test_a_folder_of_other_files_does_not_become_a_store(tmp_path, files):
    src = make_source(tmp_path / "src", count=1)
    (tmp_path / "out.zarr").mkdir()
    for name, text in files.items():
        (tmp_path / "out.zarr" / name).write_text(text)
    before = read_tree(tmp_path)
    with pytest.raises(TargetError, match=next(iter(files))):
        convert_here(src, tmp_path / "out.zarr")
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize("text", ["", "[]", '{"graytorgb": 1}', '{"shards": 3}'])
@pytest.mark.parametrize("name", KINDS[1:])
def test_notes_of_another_program_are_kept(tmp_path, name, text):
    src = make_source(tmp_path / "src", count=1)
    (tmp_path / f"{name}.json").write_text(text)
    with pytest.raises(TargetError, match=f"{name}.json"):
        convert_here(src, tmp_path / name)
    assert (tmp_path / f"{name}.json").read_text() == text


@pytest.mark.parametrize("name", [*KINDS, "folder"])
def test_a_relative_name_means_the_same_in_every_process(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert choose_target(name).path == tmp_path / name
