"""
Temperatures: floats that aren't from 0 to 1
============================================

A thermal camera gives degrees as floats. ``astype`` cuts off the fraction and wraps around below 0
and above 255, and ``"minmax"`` makes a cold day look like a hot one. :func:`graytorgb.to_uint8`
takes the range of the series in degrees; without one it raises an error, because 300 could be
anything.
"""

import matplotlib.pyplot as plt
import numpy as np

import graytorgb as g2r

# %%
# A pipe of 31 degrees on a wall of 12 degrees, seen by a noisy camera, and a cold corner below 0:

y, x = np.mgrid[-1:1:240j, -1:1:320j]
pipe = np.exp(-(((y - 0.3 * np.sin(3 * x)) / 0.12) ** 2))
corner = np.exp(-((x + 0.9) ** 2 + (y + 0.8) ** 2) / 0.15)
noise = np.random.default_rng(0).normal(0, 0.15, x.shape)
degrees = (12 + 19 * pipe - 16 * corner + noise).astype(np.float32)
try:
    g2r.to_uint8(degrees)
except g2r.LevelsError as error:
    print(error)

# %%
# The range is for all images of the series:

wrapped = degrees.astype(np.int16).astype(np.uint8)
right = g2r.to_uint8(degrees, (-20, 50))

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
drawn = axes[0].imshow(degrees, cmap="cividis")
figure.colorbar(drawn, label="degrees Celsius")
axes[0].set_title("measured", fontsize=10)
for axis, title, gray in (
    (axes[1], "degrees.astype(np.int16).astype(np.uint8)", wrapped),
    (axes[2], "to_uint8(degrees, (-20, 50))", right),
):
    axis.imshow(gray, cmap="gray", vmin=0, vmax=255)
    axis.set_title(f"{title}\n{len(np.unique(gray))} levels", fontsize=10)
for axis in axes:
    axis.axis("off")
