"""
How many gray levels a loader keeps
===================================

A 12-bit image in a 16-bit PNG file has thousands of levels. These histograms show where they go, in
the usual loaders and in graytorgb. A comb has lost levels, and a bar at 255 is white that nothing
brings back. ``graytorgb audit`` counts the same for every file of a folder, and ``graytorgb
inspect`` for one.
"""

import tempfile
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from skimage import data

import graytorgb as g2r

# %%
# A photo of 12 bits, with values up to 1500:

noise = np.random.default_rng(0).normal(0, 4, data.camera().shape)
photo = np.clip(data.camera() * 5.8 + noise, 0, 4095).astype(np.uint16)
path = Path(tempfile.mkdtemp()) / "photo.png"
PIL.Image.fromarray(photo).save(path)

# %%
# The gray that each loader gives to a network:

with PIL.Image.open(path) as image:
    by_pillow = np.asarray(image.convert("L"))
stated = g2r.to_uint8(g2r.io.read(path, value_range=(0, 1500)))
images = {
    'Image.open(path).convert("L")': (by_pillow, "#d55e00"),
    "cv2.imread(path, cv2.IMREAD_GRAYSCALE)": (cv2.imread(path, cv2.IMREAD_GRAYSCALE), "#d55e00"),
    "to_uint8(io.read(path, value_range=(0, 1500)))": (stated, "#0072b2"),
}
figure, axes = plt.subplots(3, 1, figsize=(8, 6), sharex=True, layout="constrained")
for axis, (title, (gray, color)) in zip(axes, images.items(), strict=True):
    counts = np.bincount(gray.ravel(), minlength=256)
    axis.bar(range(256), counts / gray.size, width=1, color=color)
    axis.set_title(f"{title}: {np.count_nonzero(counts)} of 256 levels", fontsize=10, loc="left")
    axis.set_ylabel("pixels")
    axis.yaxis.set_major_formatter("{x:.0%}")
axes[-1].set_xlabel("gray")
