"""
Documents of 1 bit: black and white, not 0 and 1
================================================

A fax or a scanned page has one bit a pixel. Read as an array it is 0 and 1, and as 8-bit gray that
is black on nearly black. Resized as it is, strokes break, because a pixel of 1 bit has no gray in
between. :func:`graytorgb.to_rgb` and :func:`graytorgb.to_gray` make 0 and 255 of it.
"""

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from skimage import data, filters

import graytorgb as g2r

# %%
# A page, as a scanner of 1 bit gives it:

page = data.page()
document = PIL.Image.fromarray(page > filters.threshold_local(page, 51, offset=10))
print(document.mode, document.size)

# %%
# To make it smaller, gray comes first:

half = (document.width // 2, document.height // 2)
pictures = {
    "np.asarray(document, np.uint8)": np.asarray(document, np.uint8),
    "document.resize(half)": np.asarray(document.resize(half).convert("L")),
    "to_gray(document).resize(half)": np.asarray(g2r.to_gray(document).resize(half)),
}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), layout="constrained")
for axis, (title, gray) in zip(axes, pictures.items(), strict=True):
    scale = document.width // gray.shape[1]
    axis.imshow(gray[: 120 // scale, : 200 // scale], cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel(f"{len(np.unique(gray))} levels, from {gray.min()} to {gray.max()}")
    axis.set(xticks=[], yticks=[])
