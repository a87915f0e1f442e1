"""Arrays as sources: .npy, .npz and Zarr; one item an image, and nothing loaded whole."""

import io
import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graytorgb.datasets.conversion import convert
from graytorgb.datasets.sources import arrays as source_arrays
from graytorgb.datasets.sources.decoded import DECODED, DecodedBlocks
from graytorgb.datasets.sources.items import Item, Skipped
from graytorgb.datasets.sources.opening import open_source
from graytorgb.datasets.sources.stack_layout import find_stack
from graytorgb.errors import ImageFileError, LayoutError
from graytorgb.functional.to_uint8 import to_uint8
from graytorgb.io import read

from ..support import assert_same_bits, needs, needs_package, random_bits
from .trees import deep, gray, write_classes, write_png

SHAPES = {  # and the one usual reading
    (6, 7): "HW",
    (5, 6, 7): "NHW",
    (1, 6, 7): "NHW",
    (6, 7, 3): "HWC",
    (6, 7, 4): "HWC",
    (3, 6, 7, 3): "NHWC",
    (2, 3, 6, 7): "NCHW",
    (2, 1, 6, 7): "NCHW",
    (2, 5, 6, 7): "NTHW",
    (2, 2, 6, 7, 3): "NTHWC",
    (2, 2, 3, 6, 7): "NTCHW",
}
AMBIGUOUS = {(3, 6, 7): "CHW", (2, 6, 7): "NHW", (3, 6, 3): "HWC", (5, 3, 6, 3): "NCHW"}


def save(folder, kind, array):
    """Save an array in each way that is a source of it; return the source and its name there."""
    path = folder / f"stack.{kind.partition('-')[0]}"
    if kind == "npy":
        np.save(path, array)
    elif kind == "npy-fortran":
        np.save(path, np.asfortranarray(array))
    elif kind == "npz":
        np.savez(path, first=array)
    elif kind == "npz-compressed":
        np.savez_compressed(path, first=array)
    else:
        needs_package("zarr")
        import zarr

        chunks = tuple(min(n, 2) for n in array.shape)
        store = zarr.create_array(str(path), shape=array.shape, dtype=array.dtype, chunks=chunks)
        store[...] = array
    return path, f"stack.{kind.partition('-')[0]}" + "[first]" * kind.startswith("npz")


def native(array):
    """Return an array in the byte order of this machine."""
    return array.astype(array.dtype.newbyteorder("="))


KINDS = ["npy", "npy-fortran", "npz", "npz-compressed", "zarr"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["uint16", ">f4"])
def test_every_image_is_an_item(tmp_path, kind, shape, dtype):
    array = random_bits(shape, dtype)
    if dtype == ">f4":
        array = np.nan_to_num(array, posinf=0, neginf=0)
    path, name = save(tmp_path, kind, array)
    source = open_source(path)
    items = list(source.items())
    layout = SHAPES[shape]
    leading = len(layout.rstrip("C").replace("CHW", "HW")) - 2
    places = list(np.ndindex(shape[:leading]))
    assert source.is_array
    assert source.count == len(items) == len(places)
    assert source.base == str(tmp_path)
    for k, (item, place) in enumerate(zip(items, places, strict=True)):
        end = f"[{','.join(map(str, place))}]" if place else ""
        assert item.path == name + end
        assert item.index == (k if place else None)
        assert item.size == array[place].nbytes
        image = item.read()
        assert_same_bits(image.array, native(array[place]))
        assert image.layout == layout[leading:]
        header = item.read_header()
        assert (header.shape, header.layout) == (array[place].shape, layout[leading:])
        assert_same_bits(native(np.load(io.BytesIO(item.read_data()))), native(array[place]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", AMBIGUOUS)
def test_a_shape_of_two_readings_asks_for_the_layout(tmp_path, kind, shape):
    path, _ = save(tmp_path, kind, np.zeros(shape, np.uint8))
    with pytest.raises(
        LayoutError, match=r"can be read in \d ways, so say which: layout="
    ) as caught:
        open_source(path)
    assert f'layout="{AMBIGUOUS[shape]}"' in str(caught.value)
    source = open_source(path, layout=AMBIGUOUS[shape])
    assert {item.layout for item in source.items()} == {AMBIGUOUS[shape]}


@pytest.mark.parametrize("kind", ["npy", "npy-fortran", "zarr"])
def test_images_that_lie_across_the_array(tmp_path, kind):
    array = random_bits((4, 6, 5), "int16")
    path, _ = save(tmp_path, kind, array)
    items = list(open_source(path, layout="HWN").items())
    assert len(items) == 5
    for k, item in enumerate(items):
        assert_same_bits(item.read().array, array[..., k])


@pytest.mark.parametrize("layout", ["NHWC", "NWH", "HWW", "nhw", "NH", ""])
def test_a_layout_that_does_not_fit(tmp_path, layout):
    path, _ = save(tmp_path, "npy", np.zeros((5, 6, 7), np.uint8))
    if layout == "NWH":  # an unusual order, and no mistake
        assert next(open_source(path, layout=layout).items()).read().layout == "WH"
        return
    with pytest.raises(LayoutError, match="doesn't name each axis of the shape"):
        open_source(path, layout=layout)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=6))
def test_a_layout_names_each_axis_once(shape):
    try:
        stack = find_stack("x", tuple(shape))
    except LayoutError:
        assert {shape[-1], shape[-3]} & {1, 2, 3, 4}  # no other axis can be read in two ways
        return
    assert len(stack.layout) == len(set(stack.layout)) == len(shape)
    assert stack.images * np.prod(stack.image_shape) == np.prod(shape)


def test_an_npz_of_several_arrays(tmp_path):
    images = random_bits((5, 6, 7), "uint8")
    np.savez(tmp_path / "set.npz", x=images, y=np.arange(5), z=images[0], name=np.array("text"))
    found = list(open_source(tmp_path / "set.npz").items())
    assert [f.path for f in found] == [
        *(f"set.npz[x][{k}]" for k in range(5)), "set.npz[y]", "set.npz[z]", "set.npz[name]",
    ]  # fmt: skip
    assert [f.reason for f in found if isinstance(f, Skipped)] == [
        "an array of shape (5,), and an image has two axes or more",
        "an array of dtype <U4, and an image holds real numbers or bool",
    ]
    assert_same_bits(found[6].read().array, images[0])


def test_an_array_in_a_folder_is_one_item(tmp_path):
    array = random_bits((5, 6, 7), "uint8")
    path, _ = save(tmp_path, "npy", array)
    (item,) = open_source(tmp_path).items()
    assert (item.path, item.index) == ("stack.npy", None)
    assert item.read_data() == path.read_bytes()
    assert_same_bits(item.read().array, array)


def test_no_array_is_loaded_whole(tmp_path):
    stack = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint8, (4000, 100, 100))
    stack[3999] = 7
    stack.flush()
    tracemalloc.start()
    items = list(open_source(tmp_path / "a.npy").items())
    assert (items[-1].read().array == 7).all()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20  # of 40 MB; an item takes about 500 bytes


def test_a_file_that_is_cut_off_while_it_is_read(tmp_path):
    path, _ = save(tmp_path, "npy", np.zeros((50, 6, 7), np.uint8))
    items = list(open_source(path).items())
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert items[0].read().array.shape == (6, 7)
    with pytest.raises(ImageFileError, match="truncated: image 49 lacks 1 of its bytes"):
        items[-1].read()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 6, 7)), r"an array of shape \(0, 6, 7\)"),
        (np.zeros(5), r"an array of shape \(5,\), and an image has two axes or more"),
        (np.zeros((5, 6, 7), complex), "an array of dtype complex128"),
        (np.full((5, 6, 7), "text"), "an array of dtype <U4"),
    ],
)
def test_an_array_without_images(tmp_path, array, message):
    for kind in ("npy", "npz"):
        path, _ = save(tmp_path, kind, array)
        with pytest.raises(ImageFileError, match=f"there is no image in it: {message}"):
            open_source(path)


@pytest.mark.parametrize(
    "data", [b"\x93NUMPY\x01\x00", b"\x93NUMPY\x01\x00\x10\x00nonsense", b"PK\3\4zip"]
)
def test_a_damaged_array(tmp_path, data):
    (tmp_path / "a.npy").write_bytes(data)
    with pytest.raises(ImageFileError, match=r"a\.npy: an array that can't be read"):
        open_source(tmp_path / "a.npy")


def test_a_compressed_array_across_its_file_is_refused(tmp_path):
    array = np.asfortranarray(random_bits((5, 6, 7), "uint8"))
    np.savez_compressed(tmp_path / "a.npz", x=array)
    with pytest.raises(ImageFileError, match="save it in C order, images first"):
        open_source(tmp_path / "a.npz")


def test_an_item_is_cheap_to_send(tmp_path):
    path, _ = save(tmp_path, "npy", np.zeros((5, 6, 7), np.uint8))
    item = next(open_source(path).items())
    assert pickle.loads(pickle.dumps(item)) == item
    assert len(pickle.dumps(item)) < 400


@pytest.fixture
def group(tmp_path):
    """A Zarr group as `convert` writes it, and its images."""
    needs_package("zarr")
    import zarr

    images = random_bits((6, 5, 3, 3), "uint16")  # a shape that tells no layout
    group = zarr.create_group(str(tmp_path / "set.zarr"))
    group.create_array(
        "images", shape=images.shape, dtype="uint16", chunks=(1, 5, 3, 3), shards=(4, 5, 3, 3),
        dimension_names=("N", "H", "W", "C"),
    )[:] = images  # fmt: skip
    paths = group.create_array("paths", shape=(6,), dtype="str", chunks=(4,))
    paths[:] = np.array(["a/0.png", "a/1.png", "b/2.png", "../3.png", "/4.png", "c/5.png"])
    group.create_array("labels", data=np.arange(6))
    return group, images


def test_a_group_has_its_paths_and_its_axes(tmp_path, group):
    items = list(open_source(tmp_path / "set.zarr").items())
    assert [item.path for item in items] == [
        "a/0.png", "a/1.png", "b/2.png", "set.zarr[3]", "set.zarr[4]", "c/5.png",
    ]  # fmt: skip  # a path that leads out of a target isn't taken
    for item, image in zip(items, group[1], strict=True):
        assert_same_bits(item.read().array, image)
        assert item.read().layout == "HWC"


def test_an_array_of_a_group_by_its_own_path(tmp_path, group):
    items = list(open_source(tmp_path / "set.zarr" / "images").items())
    assert [item.path for item in items] == [f"images[{k}]" for k in range(6)]
    with pytest.raises(LayoutError):
        open_source(tmp_path / "set.zarr" / "labels")


def test_a_group_that_does_not_tell_its_images(tmp_path, group):
    group[0].create_array("masks", data=group[1])
    assert len(list(open_source(tmp_path / "set.zarr").items())) == 6
    del group[0]["images"]
    group[0].create_array("others", data=group[1])
    with pytest.raises(
        ImageFileError, match=r"with these arrays: 'masks', 'others'\. Give the array"
    ):
        open_source(tmp_path / "set.zarr")


def test_a_zarr_store_that_is_none(tmp_path):
    needs_package("zarr")
    (tmp_path / "a.zarr").mkdir()
    with pytest.raises((ImageFileError, FileNotFoundError), match="zarr"):
        open_source(tmp_path / "a.zarr")
    (tmp_path / "a.zarr" / "zarr.json").write_text("{nonsense")
    with pytest.raises(ImageFileError, match="a Zarr store that can't be read"):
        open_source(tmp_path / "a.zarr")


def test_a_chunk_is_decoded_once_for_its_images(tmp_path, monkeypatch):
    needs_package("zarr")
    import zarr

    images = random_bits((10, 6, 7), "uint8")
    store = zarr.create_array(str(tmp_path / "a.zarr"), data=images, chunks=(4, 6, 7))
    monkeypatch.setattr(DECODED, "limit", 400)  # a chunk has 168 bytes
    read = []
    original = zarr.Array.__getitem__

    def get(self, place):
        read.append(place)
        return original(self, place)

    monkeypatch.setattr(zarr.Array, "__getitem__", get)
    items = list(open_source(tmp_path / "a.zarr").items())
    for item, image in zip(items, images, strict=True):
        assert_same_bits(item.read().array, image)
    assert len(read) == 3
    items[8].read()
    store[8:] = 7
    assert (items[8].read().array == 7).all()  # the file of the chunk is another one
    monkeypatch.setattr("graytorgb.datasets.sources.zarr._find_chunk_time", lambda *_: 0)
    assert (items[8].read().array == 7).all()
    store[8:] = 9
    assert (items[8].read().array == 7).all()  # behind a URL nothing tells it, for some seconds
    monkeypatch.setattr("graytorgb.datasets.sources.zarr._AGE", -1)
    assert (items[8].read().array == 9).all()


def test_a_small_set_in_random_order_is_decoded_once(tmp_path, monkeypatch):
    needs_package("zarr")
    import zarr

    images = random_bits((40, 6, 7), "uint16")
    np.savez_compressed(tmp_path / "a.npz", x=images)
    zarr.create_array(str(tmp_path / "a.zarr"), data=images, chunks=(10, 6, 7))
    decoded, opened = [], []
    original, inflate = zarr.Array.__getitem__, source_arrays._inflate
    monkeypatch.setattr(
        zarr.Array, "__getitem__", lambda *args: decoded.append(args) or original(*args)
    )
    monkeypatch.setattr(
        source_arrays, "_inflate", lambda values: opened.append(values) or inflate(values)
    )
    for name, most, count in (("a.zarr", 4, decoded), ("a.npz", 1, opened)):
        items = list(open_source(tmp_path / name).items())
        for _ in range(3):
            for k in np.random.default_rng(5).permutation(40):
                assert_same_bits(items[k].read().array, images[k])
        assert len(count) == most


def test_decoded_blocks_are_bounded():
    blocks = DecodedBlocks(1000)
    made = []

    def make(key, size):
        made.append(key)
        return np.full(size, key, np.uint8)

    for key in (1, 2, 3, 2, 1, 3):  # the third lets go of the first, and that one of the second
        assert (blocks.get(key, lambda key=key: make(key, 400)) == key).all()
    assert made == [1, 2, 3, 1]
    made.clear()
    assert blocks.get(9, lambda: make(9, 2000)).size == 2000  # too large to stay
    assert blocks.get(9, lambda: make(9, 2000)).size == 2000
    assert made == [9, 9]


def test_a_damaged_image_of_a_shard_is_the_only_one(tmp_path):
    needs_package("zarr")
    import zarr

    images = random_bits((5, 60, 70), "uint16")
    zarr.create_array(str(tmp_path / "a.zarr"), data=images, chunks=(1, 60, 70), shards=(5, 60, 70))
    path = tmp_path / "a.zarr" / "c" / "0" / "0" / "0"
    data = bytearray(path.read_bytes())
    data[:4] = bytes(4)  # the signature of the first image's compression
    path.write_bytes(data)
    items: list[Item] = list(open_source(tmp_path / "a.zarr").items())
    with pytest.raises(ImageFileError, match="image 0 can't be read"):
        items[0].read()
    for item, image in zip(items[1:], images[1:], strict=True):
        assert_same_bits(item.read().array, image)


def test_the_labels_of_a_group_of_another_program(tmp_path):
    needs_package("zarr")
    import zarr

    images = random_bits((5, 6, 7), "uint16")
    group = zarr.open_group(str(tmp_path / "a.zarr"), mode="w")
    group.create_array("images", data=images)
    source = open_source(tmp_path / "a.zarr")
    assert (source.classes, {item.label for item in source.items()}) == ([], {None})
    group.create_array("labels", data=np.array([3, -1, 0, 1, 1], np.int16))
    source = open_source(tmp_path / "a.zarr")
    assert source.classes == ["0", "1", "2", "3"]
    assert [item.label for item in source.items()] == [3, None, 0, 1, 1]
    assert {item.value_range for item in source.items()} == {None}
    paths = group.create_array("paths", shape=(5,), dtype="str")
    paths[:] = np.array(["b/1.png", "b/2.png", "a/1.png", "a/2.png", "c"])
    del group["labels"]
    source = open_source(tmp_path / "a.zarr")
    assert source.classes is None
    assert [item.path for item in source.items()] == list(paths[:])


def convert_two_classes(folder, name):
    """Convert images of two classes and one of none, under a range; return the target."""
    write_png(folder / "src" / "z.png", deep(3))
    target = folder / name
    convert(write_classes(folder / "src"), target, to="gray", value_range=(0, 4095), workers=1)
    return target


@pytest.mark.parametrize("name", ["a.npy", "a.zarr", "a.tar"])
def test_8_bits_in_a_set_of_deeper_images_have_no_range_of_theirs(tmp_path, name):
    needs("pillow")
    needs_package("dask", "imagecodecs", "zarr")
    write_png(tmp_path / "src" / "a" / "8.png", gray(1))
    write_png(tmp_path / "src" / "a" / "12.png", deep(1))
    convert(tmp_path / "src", tmp_path / name, to="gray", value_range=(0, 4095), workers=1)
    items = {item.path: item for item in open_source(tmp_path / name).items()}
    assert items["a/12.png"].value_range == (0, 4095)
    assert items["a/8.png"].value_range is None  # they would be black


@pytest.mark.parametrize("name", ["a.npy", "a.zarr"])
def test_an_array_of_a_conversion_tells_classes_paths_and_range(tmp_path, name):
    needs("pillow")
    needs_package("dask", "imagecodecs", "zarr")
    target = convert_two_classes(tmp_path, name)
    source = open_source(target)
    items = list(source.items())
    assert source.classes == ["cats", "dogs"]
    assert [(item.path, item.label) for item in items] == [
        ("cats/a.png", 0), ("dogs/b.png", 1), ("z.png", None),
    ]  # fmt: skip
    for item, seed in zip(items, (1, 2, 3), strict=True):
        image = item.read()
        assert_same_bits(image.array[..., 0], deep(seed))
        assert (image.value_range, image.depth_only) == ((0, 4095), False)
        assert item.read_header().value_range == (0, 4095)
        assert to_uint8(image).max() > 200
    # what is said of a set needs no range any more
    convert(target, tmp_path / "out", to="gray", bits=8, workers=1)
    expected = to_uint8(deep(2), (0, 4095))
    assert_same_bits(read(tmp_path / "out/dogs/b.png").array, expected)


def test_notes_of_an_array_that_was_replaced_are_left_out(tmp_path):
    needs("pillow")
    needs_package("dask", "imagecodecs")
    target = convert_two_classes(tmp_path, "a.npy")
    np.save(target, random_bits((5, 8, 9), "uint16"))
    source = open_source(target)
    assert source.classes == []
    assert [(i.path, i.label, i.value_range) for i in source.items()] == [
        (f"a.npy[{k}]", None, None) for k in range(5)
    ]


def test_labels_without_a_class_are_an_error(tmp_path):
    needs("pillow")
    needs_package("dask", "imagecodecs", "zarr")
    import zarr

    target = convert_two_classes(tmp_path, "a.zarr")
    zarr.open_group(str(target))["labels"][1] = 7
    with pytest.raises(ImageFileError, match="has the label 7, and there are 2 classes"):
        list(open_source(target).items())


def test_a_damaged_chunk_is_an_error_of_its_image(tmp_path):
    path, _ = save(tmp_path, "zarr", random_bits((5, 6, 7), "uint16"))
    (path / "c" / "0" / "0" / "0").write_bytes(b"nonsense")
    items: list[Item] = list(open_source(path).items())
    with pytest.raises(ImageFileError, match="image 0 can't be read"):
        items[0].read()
    assert items[4].read().array.shape == (6, 7)
