"""
Gray stored as color: palettes and RGB
======================================

Many gray images are stored as RGB, or with a palette. :func:`graytorgb.to_gray` with
``weights="any"`` gives their one channel without a loss, and refuses an image that has colors. The
numbers of a palette image are no gray at all: they are entries of a table, which ``np.asarray``
doesn't look up.
"""

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from skimage import data

import graytorgb as g2r

# %%
# A palette image of a gray photo. Pillow sorts the entries as it likes:

camera = data.camera()[50:306, 100:356]
rgb = PIL.Image.fromarray(g2r.to_rgb(camera))
palette = rgb.convert("P", palette=PIL.Image.Palette.ADAPTIVE, colors=256)

# %%
# The right way keeps each value. A stained slide isn't gray, and an error says so:

gray = np.asarray(g2r.to_gray(palette, weights="any"))
print("every value kept:", (gray == camera).all())
stained = data.immunohistochemistry()[:256, :256]
try:
    g2r.to_gray(stained, weights="any")
except g2r.ChannelError as error:
    print(error)

pictures = {
    "np.asarray(palette): entries": np.asarray(palette),
    'to_gray(palette, weights="any")': gray,
    'to_gray(stained, weights="any"):\nan error': stained,
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.8), layout="constrained")
for axis, (title, picture) in zip(axes, pictures.items(), strict=True):
    axis.imshow(picture, cmap="gray", vmin=0, vmax=255)
    axis.set_title(title, fontsize=10)
    axis.axis("off")
