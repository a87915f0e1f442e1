"""
A 16-bit scan: what ``convert("RGB")`` makes of it
==================================================

An MR scan has 12 bits. In a PNG file of 16 bits its values end at 4095 of 65535, here at 1123.
Pillow's ``convert("RGB")``, which torchvision's ``ImageFolder`` calls for every file, clips at 255:
most of the body turns white. OpenCV's ``imread`` keeps the upper 8 of 16 bits: the image turns
nearly black. :func:`graytorgb.to_uint8` takes the range that you state.
"""

import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
import pydicom.data

import graytorgb as g2r

# %%
# The scan, in a PNG file of 16 bits as a folder of a data set has it:

scan = g2r.io.read(pydicom.data.get_testdata_file("examples_overlay.dcm", download=False))
path = Path(tempfile.mkdtemp()) / "scan.png"
PIL.Image.fromarray(scan.array).save(path)

# %%
# Three ways to make 8 bits and three channels of it:

with PIL.Image.open(path) as image:
    by_pillow = np.asarray(image.convert("RGB"))
by_opencv = cv2.imread(str(path))
by_graytorgb = g2r.to_rgb(g2r.to_uint8(g2r.io.read(path, value_range=(0, 850))))

pictures = {
    'Image.open(path).convert("RGB")': by_pillow,
    "cv2.imread(path)": by_opencv,
    "to_rgb(to_uint8(io.read(path, value_range=(0, 850))))": by_graytorgb,
}
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained")
for axis, (title, rgb) in zip(axes, pictures.items(), strict=True):
    axis.imshow(rgb)
    levels, white = len(np.unique(rgb[..., 0])), (rgb[..., 0] == 255).mean()
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(f"{levels} gray levels, {white:.0%} white")
    axis.set(xticks=[], yticks=[])
