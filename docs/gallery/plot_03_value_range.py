"""
One range for the set: stated, "minmax" or percentiles
======================================================

Two microscopy images of one series: the second is twice as bright, and a hot pixel is in the first.
Under ``"minmax"`` and percentiles each image gets a range of its own, so which one is brighter is
lost. Under ``"minmax"`` one hot pixel also makes the whole image dark. A stated range keeps them
comparable. ``graytorgb audit`` finds it for a folder.
"""

import matplotlib.pyplot as plt
import numpy as np
from skimage import data

import graytorgb as g2r

# %%
# Two images of 12 bits:

cells = data.cell()[150:600, 100:500].astype(np.uint16)
dim, bright = cells * 5, cells * 10
dim[40, 60] = 4095  # a hot pixel

# %%
# Three rules. The number below each picture is the mean gray of the same cell.

rules = {
    "(0, 2600), stated": (0, 2600),
    '"minmax"': "minmax",
    '("percentile", 1, 99)': ("percentile", 1, 99),
}
figure, axes = plt.subplots(2, 3, figsize=(9, 6.6), layout="constrained")
for column, (title, value_range) in enumerate(rules.items()):
    for axis, image in zip(axes[:, column], (dim, bright), strict=True):
        gray = g2r.to_uint8(image, value_range)
        axis.imshow(gray, cmap="gray", vmin=0, vmax=255)
        axis.set_xlabel(f"mean {gray.mean():.0f}, {len(np.unique(gray))} levels")
        axis.set(xticks=[], yticks=[])
    axes[0, column].set_title(title, fontsize=11)
axes[0, 0].set_ylabel("dim, one hot pixel")
axes[1, 0].set_ylabel("twice as bright")
