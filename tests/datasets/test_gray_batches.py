"""``GrayBatches``: NumPy batches of what ``GrayImageFolder`` gives, for any number of threads."""

import json
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from graytorgb.datasets import GrayBatches
from graytorgb.errors import ImageFileError, LayoutError, LevelsError, OptionError

from ..support import needs_package, run_python
from .trees import gray, write_png


@pytest.fixture
def root(tmp_path):
    """Eleven PNGs of three sizes in three classes."""
    shapes = [(40, 48), (64, 33), (37, 37)]
    for number in range(11):
        write_png(
            tmp_path / f"c{number % 3}" / f"{number:02}.png", gray(number, shapes[number % 3])
        )
    return tmp_path


def read(batches):
    """The images and the labels of an epoch, each in one array."""
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def count_threads():
    return sum(thread.name.startswith("graytorgb-batch") for thread in threading.enumerate())


def test_batches_are_those_of_gray_image_folder(root):
    needs_package("torch", "torchvision")
    from graytorgb.datasets import GrayImageFolder

    folder = GrayImageFolder(root, size=24)
    batches = GrayBatches(root, 4, size=24)
    assert (batches.classes, batches.class_to_idx) == (folder.classes, folder.class_to_idx)
    assert (batches.samples, batches.targets) == (folder.samples, folder.targets)
    found = list(batches)
    assert [images.shape for images, _ in found] == [(4, 24, 24, 1)] * 2 + [(3, 24, 24, 1)]
    assert len(batches) == len(found)
    images, labels = read(found)
    assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert images.flags.writeable
    np.testing.assert_array_equal(images[..., 0], [image.numpy()[0] for image, _ in folder])
    np.testing.assert_array_equal(labels, folder.targets)


@pytest.mark.parametrize(
    ("layout", "shape"),
    [("NHWC", (11, 16, 20, 1)), ("NHW", (11, 16, 20)), ("NCHW", (11, 1, 16, 20))],
)
def test_layouts(root, layout, shape):
    images, _ = read(GrayBatches(root, 16, size=(16, 20), layout=layout))
    assert images.shape == shape
    expected, _ = read(GrayBatches(root, 16, size=(16, 20)))
    np.testing.assert_array_equal(images.reshape(expected.shape), expected)


@pytest.mark.parametrize("options", [{"drop_last": True}, {"labels": None}])
def test_the_last_batch_and_no_labels(root, options):
    batches = GrayBatches(root, 4, size=8, **options)
    found = list(batches)
    assert len(found) == len(batches) == (2 if "drop_last" in options else 3)
    if "labels" in options:
        assert all(isinstance(images, np.ndarray) for images in found)
        assert batches.classes == []


def test_the_same_seed_gives_the_same_batches_for_every_number_of_threads(root):
    def make(workers, seed=7):
        return GrayBatches(root, 4, size=16, train=True, shuffle=True, seed=seed, workers=workers)

    alone, three, other = make(0), make(3), make(3, seed=8)
    epochs = [[read(batches) for batches in (alone, three, other)] for _ in range(2)]
    for first, second, third in epochs:
        np.testing.assert_array_equal(first[0], second[0])
        np.testing.assert_array_equal(first[1], second[1])
        assert (first[0] != third[0]).any()
    assert (epochs[0][0][0] != epochs[1][0][0]).any()
    assert sorted(epochs[0][0][1]) == sorted(alone.targets)  # each image once


def test_without_a_seed_each_object_has_its_own(root):
    first, second = (GrayBatches(root, 11, size=16, train=True) for _ in range(2))
    assert first.seed != second.seed
    assert (read(first)[0] != read(second)[0]).any()


def test_shuffling_gives_each_epoch_another_order(root):
    batches = GrayBatches(root, 4, size=8, shuffle=True, seed=0)
    orders = [read(batches)[0].tobytes() for _ in range(3)]
    assert len(set(orders)) == 3


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_a_saved_state_goes_on_with_the_batches_still_to_come(root, taken):
    def make(seed=None):
        return GrayBatches(root, 4, size=16, train=True, shuffle=True, seed=seed, workers=2)

    whole = make()
    list(whole)
    iterator = iter(whole)
    for _ in range(taken):
        next(iterator)
    state = json.loads(json.dumps(whole.state_dict()))
    rest = list(iterator) or list(whole)  # a state after the last batch goes on with an epoch
    after = list(whole)
    resumed = make(seed=1)
    resumed.load_state_dict(state)
    for expected in (rest, after):
        got = list(resumed)
        assert len(got) == len(expected)
        np.testing.assert_array_equal(read(got)[0], read(expected)[0])


def test_a_state_of_other_batches_is_refused(root):
    state = GrayBatches(root, 4, size=8).state_dict()
    with pytest.raises(OptionError, match="batch_size 4, not 5"):
        GrayBatches(root, 5, size=8).load_state_dict(state)
    with pytest.raises(OptionError, match="seed is a whole number"):
        GrayBatches(root, 4, size=8).load_state_dict(state | {"seed": None})


def test_an_early_break_leaves_no_thread(root):
    batches = GrayBatches(root, 2, size=8, workers=3)
    for _ in batches:
        assert count_threads() > 0
        break
    assert count_threads() == 0
    list(batches)
    assert count_threads() == 0


def test_ctrl_c_while_waiting_leaves_no_thread(root, monkeypatch):
    def interrupt(future):
        raise KeyboardInterrupt

    batches = GrayBatches(root, 2, size=8, workers=3)
    monkeypatch.setattr("concurrent.futures.Future.result", interrupt)
    with pytest.raises(KeyboardInterrupt):
        list(batches)
    assert count_threads() == 0


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("fault", ["deleted", "truncated"])
def test_a_file_that_goes_bad_meanwhile(root, workers, fault):
    batches = GrayBatches(root, 4, size=8, workers=workers)
    skipping = GrayBatches(root, 4, size=8, workers=workers, on_error="skip")
    bad = root / "c1" / "04.png"
    if fault == "deleted":
        bad.unlink()
    else:
        bad.write_bytes(bad.read_bytes()[:70])
    with pytest.raises((ImageFileError, OSError), match=r"04\.png"):
        list(batches)
    assert count_threads() == 0
    for _ in range(2):
        with pytest.warns(UserWarning, match=r"epoch \d: 1 file skipped, .*04\.png; .*The first: "):
            images, labels = read(skipping)
        place = batches.samples.index((str(bad), 1))
        np.testing.assert_array_equal(labels, np.delete(batches.targets, place))
        assert images.shape == (10, 8, 8, 1)
    assert skipping.skipped == [str(bad)]
    good = [path for path, _ in batches.samples if path != str(bad)]
    expected = next(iter(GrayBatches(good, 16, size=8, labels=None)))
    np.testing.assert_array_equal(images, expected)


def test_a_batch_without_any_image_left_is_left_out(root):
    batches = GrayBatches(root, 1, size=8, on_error="skip")
    for path, _ in batches.samples[:2]:
        Path(path).unlink()
    with pytest.warns(UserWarning, match="epoch 0: 2 files skipped"):
        assert len(list(batches)) == 9


def test_a_wrong_option_is_not_skipped(root):
    """Images of several sizes are no fault of a file."""
    batches = GrayBatches(root, 6, size=None, on_error="skip")
    with pytest.raises(LayoutError, match=r"\.png: its size .* size=224"):
        list(batches)


def test_images_as_they_are(tmp_path):
    images = [write_png(tmp_path / "a" / f"{number}.png", gray(number)) for number in range(5)]
    found, _ = read(GrayBatches(tmp_path, 2, size=None, workers=2))
    np.testing.assert_array_equal(found[..., 0], images)


def test_deep_files_need_a_range_or_keep_their_values(tmp_path):
    image = write_png(tmp_path / "a" / "1.png", gray(0, high=60_000, dtype=np.uint16))
    with pytest.raises(LevelsError, match=r'1\.png.*GrayBatches\(.*dtype="uint16"'):
        list(GrayBatches(tmp_path, 2, size=None))
    scaled, _ = read(GrayBatches(tmp_path, 2, size=None, value_range=(0, 60_000)))
    np.testing.assert_array_equal(scaled[0, ..., 0], np.rint(image * (255 / 60_000)))
    kept, _ = read(GrayBatches(tmp_path, 2, size=None, dtype="uint16"))
    assert kept.dtype == np.uint16
    np.testing.assert_array_equal(kept[0, ..., 0], image)


def test_dicom():
    needs_package("pydicom")
    from pydicom.data import get_testdata_file

    path = get_testdata_file("CT_small.dcm")
    (images,) = GrayBatches([path], 2, size=64, value_range=(-1000, 1000), labels=None)
    assert images.shape == (1, 64, 64, 1)
    assert images.max() > 200 > images.min()


def test_alpha(tmp_path):
    (tmp_path / "a").mkdir()
    PIL.Image.fromarray(gray(0, (8, 8, 2)), "LA").save(tmp_path / "a" / "1.png")
    with pytest.raises(ValueError, match=r'(?s)1\.png.*GrayBatches\(.*alpha="drop"'):
        list(GrayBatches(tmp_path, 2, size=None))
    found, _ = read(GrayBatches(tmp_path, 2, size=None, alpha="drop"))
    np.testing.assert_array_equal(found[0, ..., 0], gray(0, (8, 8, 2))[..., 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": True}, "batch_size"),
        ({"workers": -1}, "workers"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"layout": "CHW"}, "layout is one of NHWC"),
        ({"dtype": "float32"}, "dtype"),
        ({"dtype": None}, "dtype"),
        ({"dtype": "gray"}, "dtype"),
        ({"on_error": "ignore"}, "on_error"),
        ({"labels": "names"}, "labels"),
        ({"size": 0}, "size"),
    ],
)
def test_refusals(root, options, message):
    with pytest.raises(OptionError, match=message):
        GrayBatches(root, **options)


def test_pickled_batches_are_the_same(root):
    batches = GrayBatches(root, 4, size=16, train=True, seed=3)
    copy = pickle.loads(pickle.dumps(batches))
    np.testing.assert_array_equal(read(copy)[0], read(batches)[0])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork")
def test_a_forked_process_iterates_on_its_own(root):
    """The child of a fork begins an epoch, and can't go on with its parent's."""
    code = f"""
import os, sys
from graytorgb.datasets import GrayBatches
batches = GrayBatches({str(root)!r}, 2, size=8, workers=2)
running = iter(batches)
next(running)
pid = os.fork()
if pid == 0:
    try:
        next(running)
    except ValueError as error:
        assert "forked" in str(error)
        os._exit(0 if len(list(batches)) == 6 else 2)
    os._exit(3)
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert len(list(running)) == 5
assert not {{"torch", "tensorflow", "jax"}} & set(sys.modules)
print("done")
"""
    assert "done" in run_python(code)
