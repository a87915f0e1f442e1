"""
Alpha: what is behind the image
===============================

A figure with a transparent background has hidden colors there, often black or noise.
``convert("RGB")`` drops the alpha channel, so they come to light. :func:`graytorgb.to_rgb` refuses
alpha until you say what becomes of it: it is dropped, or the image is put on a background.
"""

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from skimage import data

import graytorgb as g2r

# %%
# A horse, cut out. The background is transparent, and noise is hidden in it:

horse = ~data.horse()
noise = np.random.default_rng(0).integers(0, 256, horse.shape)
gray = np.where(horse, 60, noise).astype(np.uint8)
image = PIL.Image.fromarray(np.dstack([gray, horse * np.uint8(255)]), "LA")
try:
    g2r.to_rgb(image)
except g2r.ChannelError as error:
    print(error)

# %%
# Three answers:

pictures = {
    'convert("RGB")': image.convert("RGB"),
    "to_rgb(image, alpha=(255, 255, 255))": g2r.to_rgb(image, alpha=(255, 255, 255)),
    "to_rgb(image, alpha=(0, 0, 0))": g2r.to_rgb(image, alpha=(0, 0, 0)),
}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for axis, (title, rgb) in zip(axes, pictures.items(), strict=True):
    axis.imshow(rgb)
    axis.set_title(title, fontsize=10)
    axis.set(xticks=[], yticks=[])
