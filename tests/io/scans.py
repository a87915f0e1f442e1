"""DICOM files for tests, written element by element."""

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pydicom.data
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import graytorgb as g2r


def scan(name):
    """Return the path of one of pydicom's own files."""
    return Path(pydicom.data.get_testdata_file(name, download=False))


def write(path, pixels, *, frames=None, syntax=ExplicitVRLittleEndian, **elements):
    """Write gray or RGB pixels, with elements changed, or left out where they are None.

    `frames` are compressed ones, encapsulated in place of the pixels.
    """
    floats = pixels.dtype.kind == "f"
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    color = pixels.ndim > 2 and pixels.shape[-1] == 3
    rows, columns = pixels.shape[-3:-1] if color else pixels.shape[-2:]
    bits = 8 * pixels.itemsize
    dataset.Modality = "OT"
    dataset.SamplesPerPixel = 3 if color else 1
    dataset.PhotometricInterpretation = "RGB" if color else "MONOCHROME2"
    if color:
        dataset.PlanarConfiguration = 0
    if pixels.ndim > 2 + color:
        dataset.NumberOfFrames = len(pixels)
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated = bits
    if floats:
        dataset.FloatPixelData = pixels.astype("<f4").tobytes()
    else:
        dataset.BitsStored, dataset.HighBit = bits, bits - 1
        dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
        dataset.PixelData = encapsulate(frames) if frames else pad(pixels.tobytes())
        dataset["PixelData"].VR = "OB" if frames or bits == 8 else "OW"
        dataset["PixelData"].is_undefined_length = bool(frames)
    for keyword, value in elements.items():
        if keyword == "BitsStored" and value is not None and "HighBit" not in elements:
            dataset.HighBit = value - 1
        if value is None:
            if keyword in dataset:
                delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of what these tests are about
        dataset.save_as(path, enforce_file_format=True)
    return path


def pad(data):
    return data + bytes(len(data) % 2)


def replace(path, old, new):
    """Change bytes of the file that pydicom wouldn't write."""
    data = path.read_bytes()
    assert data.count(old) == 1
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new))
    return path


def read(path, **options):
    """Read without the warnings that odd files give."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return g2r.io.read(path, **options)


def ramp(rows=48, columns=64, dtype=np.uint16, top=4095):
    """Return values of 0 to `top`, so smooth that lossy codecs keep them."""
    return np.linspace(0, top, rows * columns).reshape(rows, columns).astype(dtype)


def item(**elements):
    dataset = pydicom.Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def sequence(**elements):
    return pydicom.Sequence([item(**elements)])


GRAY = ramp()
SIGNED = (GRAY.astype(np.int16) - 2048).astype(np.int16)
