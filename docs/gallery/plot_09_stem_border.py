"""
The first layer: why summing its weights is wrong at the border
===============================================================

To give a pretrained network one input channel, most code sums the weights of its first convolution
over the three channels. Inside the image that can be mended by a bias. At the border the network
pads with zeros *after* it normalizes, and there every bias is wrong. :func:`graytorgb.models.adapt`
gives the convolution a second, constant plane, and is exact everywhere. This script does the
arithmetic of both in NumPy.
"""

import matplotlib.pyplot as plt
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from skimage import data

# %%
# A convolution of 7 x 7 for three channels, as a ResNet has it, and ImageNet's mean and std:

mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
weights = np.random.default_rng(0).normal(0.02, 0.05, (3, 7, 7))
gray = data.camera()[::8, ::8] / 255


def convolve(planes, kernel):
    """Return a convolution that pads with zeros, of planes and a kernel with as many channels."""
    padded = np.pad(planes, ((0, 0), (3, 3), (3, 3)))
    return np.einsum("chwij,cij->hw", sliding_window_view(padded, (7, 7), (1, 2)), kernel)


# %%
# The original sees three normalized planes. The sum with a bias sees one. ``adapt`` uses two.

scaled = weights / std[:, None, None]
original = convolve(np.stack([(gray - m) / s for m, s in zip(mean, std, strict=True)]), weights)
bias = -(scaled.sum((1, 2)) * mean).sum()
summed = convolve(gray[None], scaled.sum(0)[None]) + bias
center, scale = mean.mean(), std.mean()
offset = (scaled * (center - mean)[:, None, None]).sum(0)
planes = np.stack([(gray - center) / scale, np.ones_like(gray)])
adapted = convolve(planes, np.stack([scaled.sum(0) * scale, offset]))

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
axes[0].imshow(original, cmap="gray")
axes[0].set_title("output of the original's first layer", fontsize=10)
for axis, name, output in ((axes[1], "summed", summed), (axes[2], "adapt", adapted)):
    error = np.abs(output - original) / np.abs(original).max()
    drawn = axis.imshow(error, cmap="cividis", vmin=0, vmax=0.5)
    axis.set_title(f"error of {name}: up to {error.max():.1g}", fontsize=10)
figure.colorbar(drawn, label="error / largest output")
for axis in axes:
    axis.axis("off")
