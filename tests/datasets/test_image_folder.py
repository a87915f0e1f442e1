"""GrayImageFolder as torch's users use it: like ImageFolder, in DataLoaders, with bad files."""

import copy
import errno
import pickle
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL.Image
import pytest

import graytorgb as g2r
from graytorgb.errors import DtypeError, ImageFileError, LevelsError, OptionError

from ..support import needs, needs_package, packaged, run_python
from .trees import deep, gray, write_classes, write_png, write_tiff

needs("pillow", "torchvision")
needs_package("torch")

import torch  # noqa: E402
from torch.utils.data import ConcatDataset, DataLoader, Subset, random_split  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402
from torchvision.transforms import v2  # noqa: E402

from graytorgb.datasets import GrayImageFolder  # noqa: E402
from graytorgb.datasets.loading import image_folder  # noqa: E402
from graytorgb.datasets.loading.planes import load_plane  # noqa: E402
from graytorgb.datasets.loading.seeds import SeededIndex  # noqa: E402


@pytest.fixture
def root(tmp_path):
    """Six gray PNGs in two classes."""
    for k in range(6):
        write_png(tmp_path / "ab"[k % 2] / f"{k}.png", gray(k, (20, 30)))
    return tmp_path


def damage(root):
    """Write a file that isn't the image that its name says, at place 1."""
    (root / "a" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")


def by_torchvision(root, *transforms):
    """ImageFolder with the images in Pillow's gray."""
    to_tensor = [v2.PILToTensor()]
    return ImageFolder(
        root, v2.Compose([v2.Lambda(lambda x: x.convert("L")), *transforms, *to_tensor])
    )


def differ(one, other):
    assert one.shape == other.shape
    return (one.int() - other.int()).abs().max()


def test_attributes(root):
    ours, theirs = GrayImageFolder(root), ImageFolder(root)
    for name in ("classes", "class_to_idx", "samples", "imgs", "targets", "root", "transform"):
        assert getattr(ours, name) == getattr(theirs, name) or name == "root"
    assert ours.root == root
    assert len(ours) == len(theirs) == 6
    assert ours.skipped == []
    assert isinstance(ours, torch.utils.data.Dataset)
    image, index = ours[-1]
    assert (image.shape, image.dtype, index) == ((1, 224, 224), torch.uint8, 1)
    assert image.is_contiguous()
    with pytest.raises(IndexError):
        ours[6]


def test_photos_are_within_a_level_of_torchvision(tmp_path):
    photos = [path for path in packaged("foolbox", ".jpg") if "imagenet_" in path.name][:8]
    for k, path in enumerate(photos):
        (tmp_path / "ab"[k % 2]).mkdir(exist_ok=True)
        PIL.Image.open(path).convert("L").save(tmp_path / "ab"[k % 2] / f"{k}.png")
    theirs = by_torchvision(tmp_path, v2.Resize(110), v2.CenterCrop(96))
    for (ours, label), (wanted, target) in zip(GrayImageFolder(tmp_path, 96), theirs, strict=True):
        assert label == target
        assert differ(ours, wanted) <= 1
    theirs = by_torchvision(tmp_path, v2.RandomResizedCrop(96), v2.RandomHorizontalFlip())
    dataset = GrayImageFolder(tmp_path, 96, train=True)
    for k in range(len(photos)):
        torch.manual_seed(k)
        ours = dataset[k][0]
        torch.manual_seed(k)
        assert differ(ours, theirs[k][0]) == 0


def test_whole_images_have_memory_of_their_own(root):
    dataset = GrayImageFolder(root, size=None)
    image, _ = dataset[0]
    assert np.array_equal(image[0], gray(0, (20, 30)))
    assert image.is_contiguous()
    image.zero_()
    assert np.array_equal(dataset[0][0][0], gray(0, (20, 30)))


def test_samples_and_transforms_may_be_assigned(root):
    dataset = GrayImageFolder(root, size=None)
    dataset.samples = [(path, 7) for path, _ in dataset.samples[:2]]
    assert (len(dataset), dataset.targets, dataset.imgs) == (2, [7, 7], dataset.samples)
    assert dataset[1][1] == 7
    dataset.samples[0] = (str(root / "b" / "1.png"), 5)
    assert dataset[0][1] == 5
    assert np.array_equal(dataset[0][0][0], gray(1, (20, 30)))
    dataset.transform = v2.ToDtype(torch.float32, scale=True)
    dataset.target_transform = str
    image, label = dataset[0]
    assert (image.dtype, label) == (torch.float32, "5")


def test_sixteen_bits_are_kept(tmp_path):
    write_classes(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no advice to state a range: to keep all is a choice
        image, _ = GrayImageFolder(tmp_path, None, dtype=torch.uint16)[0]
    assert image.dtype == torch.uint16
    assert np.array_equal(image[0], deep(1))
    small, _ = GrayImageFolder(tmp_path, 8, dtype=torch.uint16, value_range=(0, 4095))[0]
    assert (small.shape, small.dtype) == ((1, 8, 8), torch.uint16)


def test_threads_draw_from_the_seeds_of_their_own_samples(root, monkeypatch):
    dataset = GrayImageFolder(root, 8, train=True)
    indices = [SeededIndex(0, 1), SeededIndex(1, 2)]
    alone = [dataset[index][0] for index in indices]
    together = threading.Barrier(2)

    def load(*arguments):
        together.wait(10)  # both samples are begun before either draws
        plane = load_plane(*arguments)
        together.wait(10)
        return plane

    monkeypatch.setattr(image_folder, "load_plane", load)
    with ThreadPoolExecutor(2) as executor:
        found = list(executor.map(lambda index: dataset[index][0], indices))
    assert all(torch.equal(a, b) for a, b in zip(alone, found, strict=True))


def test_sixteen_bits_are_no_way_out_for_floats(tmp_path):
    (tmp_path / "a").mkdir()
    np.save(tmp_path / "a" / "1.npy", np.full((4, 5), 0.5, np.float32))
    with pytest.raises(LevelsError, match="its values are float32") as caught:
        GrayImageFolder(tmp_path)[0]
    assert "value_range=" in str(caught.value)
    assert "torch.uint16" not in str(caught.value)
    assert "12 bits" not in str(caught.value)


def test_messages_are_short_for_many_paths_and_for_arrays(tmp_path):
    paths = [tmp_path / "a" / f"{number}.png" for number in range(40)]
    for path in paths:
        write_png(path, gray(1, high=4096, dtype=np.uint16))
    with pytest.raises(LevelsError) as caught:
        GrayImageFolder(paths, labels=None)[0]
    assert len(str(caught.value)) < 1000
    assert f"GrayImageFolder([{str(paths[0])!r}, ...], value_range=(0, 4095))" in str(caught.value)
    for root in (np.zeros((3, 99, 99)), [np.zeros((99, 99))] * 9):
        with pytest.raises(DtypeError) as caught:
            GrayImageFolder(root)
        assert len(str(caught.value)) < 600


def test_mixed_depths(tmp_path):
    write_png(tmp_path / "a" / "1.png", gray(1))
    write_png(tmp_path / "a" / "2.png", gray(2, high=8192, dtype=np.uint16))
    dataset = GrayImageFolder(tmp_path, size=None)
    assert np.array_equal(dataset[0][0][0], gray(1))
    with pytest.raises(LevelsError, match=r"2\.png: its values are uint16"):
        dataset[1]
    dataset = GrayImageFolder(tmp_path, size=None, value_range=(0, 8191))
    assert dataset.value_range == (0, 8191)
    with pytest.raises(LevelsError, match=r"1\.png: it has 8 bits"):
        dataset[0]
    wanted = g2r.to_uint8(gray(2, high=8192, dtype=np.uint16), (0, 8191))
    assert np.array_equal(dataset[1][0][0], wanted)


def test_the_audit_of_the_set_is_a_range(tmp_path):
    write_classes(tmp_path)
    with g2r.datasets.audit(tmp_path, workers=1) as found:
        dataset = GrayImageFolder(tmp_path, size=None, value_range=found)
    assert dataset.value_range == (0, 4095)
    assert np.array_equal(dataset[0][0][0], g2r.to_uint8(deep(1), (0, 4095)))


def test_without_labels(root):
    write_png(root / "loose.png", gray(9, (20, 30)))
    dataset = GrayImageFolder(root, 8, labels=None)
    assert (len(dataset), dataset.classes, dataset.class_to_idx) == (7, [], {})
    assert next(iter(DataLoader(dataset, 7))).shape == (7, 1, 8, 8)


def test_a_class_without_images_may_be_allowed(tmp_path):
    (tmp_path / "a").mkdir()
    dataset = GrayImageFolder(tmp_path, on_error="skip", allow_empty=True)
    assert (len(dataset), dataset.classes, dataset.skipped) == (0, ["a"], [])


def test_other_sources(root):
    assert len(GrayImageFolder(f"{root}/a/*.png", labels=None)) == 3
    np.save(root / "stack.npy", np.stack([gray(k) for k in range(7)]))
    dataset = GrayImageFolder(root / "stack.npy", None, labels=None, layout="NHW")
    assert np.array_equal(dataset[6][0], gray(6))
    assert np.array_equal(pickle.loads(pickle.dumps(dataset))[6][0], gray(6))


def test_a_bad_file_is_named(root):
    damage(root)
    dataset = GrayImageFolder(root)
    with pytest.raises(ImageFileError, match=r"a/2\.png"):
        dataset[1]
    with pytest.raises(ImageFileError, match=r"a/2\.png"):
        list(DataLoader(dataset, 2))
    write_tiff(root / "a" / "2.png", np.zeros((3, 8, 8), np.uint8))
    with pytest.raises(g2r.LayoutError, match=r"a/2\.png: it holds 3 images.*datasets.convert\('"):
        dataset[1]


def test_skipping(root):
    damage(root)
    dataset = GrayImageFolder(root, 8, on_error="skip")
    with pytest.warns(UserWarning, match=r"skipped, .*a/2\.png") as caught:
        samples = dataset[1], dataset[-5], *DataLoader(dataset, 2)
    assert len(caught) == 1
    assert samples[:2] == (None, None)
    assert [len(images) for images, _ in samples[2:]] == [1, 2, 2]
    assert dataset.skipped == [str(root / "a" / "2.png")]
    assert "Skipped so far: 1" in repr(dataset)
    write_png(root / "a" / "2.png", gray(2, (20, 30)))
    assert dataset[1] is not None
    assert dataset.skipped == []


def test_skipping_follows_the_samples(root):
    damage(root)
    dataset = GrayImageFolder(root, 8, on_error="skip")
    with pytest.warns(UserWarning, match="skipped"):
        assert dataset[1] is None
    dataset.samples = dataset.samples[1:3]
    assert dataset.skipped == []
    dataset.samples += dataset.samples
    assert dataset[3] is not None
    with pytest.warns(UserWarning, match="skipped"):
        assert dataset[2] is None
    assert dataset.skipped == [str(root / "a" / "2.png")]
    del dataset.samples[1:]
    assert (dataset.skipped, len(dataset)) == ([], 1)


def test_only_faults_of_files_are_skipped(root, monkeypatch):
    from graytorgb.datasets.loading import planes

    dataset = GrayImageFolder(root, 8, on_error="skip")

    def fail(kind):
        def read(*args, **options):
            raise kind

        monkeypatch.setattr(planes, "read", read)

    for error in (KeyError("a bug"), KeyboardInterrupt(), OSError(errno.EMFILE, "too many")):
        fail(error)
        with pytest.raises(type(error)):
            dataset[0]
    assert dataset.skipped == []
    for error in (MemoryError(), OSError(errno.EIO, "a bad disk"), LevelsError("too deep")):
        fail(error)
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("always")
            assert dataset[0] is None
    assert dataset.skipped == [dataset.samples[0][0]]


def test_a_transform_that_fails_raises(root):
    def fail(image):
        raise ValueError("the user's")

    for names in ({"transform": fail}, {"target_transform": fail}):
        dataset = GrayImageFolder(root, 8, on_error="skip", **names)
        with pytest.raises(ValueError, match="the user's"):
            dataset[0]
    assert dataset.skipped == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore")
def test_workers(root, method):
    damage(root)
    dataset = GrayImageFolder(root, 8, on_error="skip")
    loader = DataLoader(dataset, 2, num_workers=1, multiprocessing_context=method)
    labels = torch.cat([labels for _, labels in loader]).tolist()
    assert labels == [0, 0, 1, 1, 1]
    assert dataset.skipped == [str(root / "a" / "2.png")]
    write_png(root / "a" / "2.png", gray(2, (20, 30)))
    if method == "fork":
        assert sum(len(images) for images, _ in loader) == 6
        assert dataset.skipped == []


def test_copies(root):
    damage(root)
    dataset = GrayImageFolder(root, 8, on_error="skip")
    with pytest.warns(UserWarning, match="skipped"):
        assert dataset[1] is None
    for other in (copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):
        assert other.samples == dataset.samples
        assert torch.equal(other[0][0], dataset[0][0])
        assert other.skipped == dataset.skipped
        assert other._skipped._marks.is_shared()
        other._skipped.discard(1)
        assert (other.skipped, len(dataset.skipped)) == ([], 1)


def test_torchs_own_data_sets(root):
    dataset = GrayImageFolder(root, 8)
    images = [image for image, _ in dataset]
    part = Subset(dataset, [4, 0])
    assert torch.equal(next(iter(DataLoader(part, 2)))[0], torch.stack([images[4], images[0]]))
    both = ConcatDataset([dataset, dataset])
    assert torch.equal(both[7][0], images[1])
    first, second = random_split(dataset, [2, 4])
    assert sorted([*first.indices, *second.indices]) == list(range(6))
    assert len(next(iter(DataLoader(second, 4)))[1]) == 4


def test_repr(root):
    write_png(root / "loose.png", gray(1))
    (root / "a" / "notes.txt").write_text("no image")
    lines = repr(GrayImageFolder(root, 8, value_range=(0, 255), transform=v2.Identity()))
    for told in ("Dataset GrayImageFolder", "Number of datapoints: 6", f"Root location: {root}",
                 "Classes: 2", "(1, 8, 8) uint8, the center", "Value range: (0, 255)",
                 "images in no folder that is a class: 1", "files that aren't images: 1",
                 "transform: Identity()"):  # fmt: skip
        assert told in lines
    assert "random part" in repr(GrayImageFolder(root, 8, train=True))
    assert "whole images" in repr(GrayImageFolder(root, None))


@pytest.mark.parametrize(
    ("options", "match"),
    [({"on_error": "ignore"}, "on_error"), ({"dtype": torch.float32}, "dtype"),
     ({"dtype": "uint8"}, "dtype"), ({"size": 0}, "size"), ({"resize": 10}, "resize"),
     ({"labels": "names"}, "labels"), ({"orientation": "up"}, "orientation"),
     ({"train": "yes"}, "train"), ({"value_range": "minmax", "dtype": torch.uint16}, "minmax")],
)  # fmt: skip
def test_wrong_options(root, options, match):
    with pytest.raises(OptionError, match=match):
        GrayImageFolder(root, **options)


def test_errors_name_the_users_call(tmp_path):
    write_png(tmp_path / "1.png", gray(1))
    with pytest.raises(FileNotFoundError, match=rf"GrayImageFolder\('{tmp_path}', labels=None\)"):
        GrayImageFolder(tmp_path)


def test_the_room_is_imported_when_it_is_asked_for():
    code = """
import sys
import graytorgb.datasets
print("torch" in sys.modules, "PIL" in sys.modules)
try:
    graytorgb.datasets.GrayImage
except AttributeError as error:
    print(error)
"""
    lines = run_python(code).splitlines()
    assert lines[0] == "False False"
    assert "no attribute 'GrayImage'" in lines[1]


def test_torch_is_named_if_it_is_missing():
    code = """
import sys
sys.modules["torch"] = None
import graytorgb as g2r
try:
    g2r.datasets.GrayImageFolder
except g2r.BackendUnavailable as error:
    print(error)
"""
    assert "pip install 'graytorgb[" in run_python(code)


def test_a_slice_is_no_index(root):
    with pytest.raises(OptionError, match=r"slice\(0, 2, None\).*torch.utils.data.Subset"):
        GrayImageFolder(root, 8)[0:2]
