"""
Inverted files: where 0 is white
================================

In some files 0 is white: TIFF files with ``WhiteIsZero``, and DICOM files with ``MONOCHROME1``, as
many mammograms. A loader that ignores this gives a negative, and a network has learned that bone is
bright. :func:`graytorgb.io.read` always gives 0 as black.
"""

import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import pydicom
import pydicom.data
import tifffile
from skimage import data

import graytorgb as g2r

# %%
# A TIFF file and a DICOM file where 0 is white. Each stores the negative:

folder = Path(tempfile.mkdtemp())
coins = data.coins()[:180, :260]
tifffile.imwrite(folder / "coins.tif", 255 - coins, photometric="miniswhite")
scan = pydicom.dcmread(pydicom.data.get_testdata_file("examples_overlay.dcm", download=False))
upright = scan.pixel_array
scan.PhotometricInterpretation = "MONOCHROME1"
scan.PixelData = (upright.max() - upright).tobytes()
scan.save_as(folder / "scan.dcm")

# %%
# What a usual reader gives, and what :func:`graytorgb.io.read` gives:

usual = tifffile.imread(folder / "coins.tif"), pydicom.dcmread(folder / "scan.dcm").pixel_array
right = [g2r.io.read(folder / name).array for name in ("coins.tif", "scan.dcm")]
print("OpenCV inverts this TIFF file too:", (cv2.imread(folder / "coins.tif", 0) == coins).all())

figure, axes = plt.subplots(2, 2, figsize=(8, 5.6), layout="constrained")
for row, images, title in zip(axes, (usual, right), ("the pixels", "io.read"), strict=True):
    for axis, image, name in zip(row, images, ("TIFF", "DICOM"), strict=True):
        axis.imshow(image, cmap="gray")
        axis.set_title(f"{title}: {name}, 0 is {'black' if images is right else 'white'}")
        axis.axis("off")
