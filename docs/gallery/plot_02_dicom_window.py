"""
DICOM: the window that the file states, and yours
=================================================

A CT scan holds Hounsfield units from -1000 (air) to more than 1000 (bone). No screen and no network
with 8 bits can show them all at once, so a radiologist looks through a *window*.
:func:`graytorgb.io.read` applies the rescale slope and brings the window that the file states, and
:func:`graytorgb.to_uint8` uses it, or the one that you state.
"""

import matplotlib.pyplot as plt
import pydicom.data

import graytorgb as g2r

# %%
# The values are Hounsfield units, and ``value_range`` is the window of the file:

scan = g2r.io.read(pydicom.data.get_testdata_file("693_J2KI.dcm", download=False))
print(scan.array.dtype, scan.value_range)

# %%
# A window is a pair of values: what becomes black, and what becomes white.

windows = {
    "the whole range": (-1024, 1812),
    "the file's own: brain": None,
    "bone": (-250, 1250),
    "soft tissue": (-150, 250),
}
figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), layout="constrained")
for axis, (title, window) in zip(axes, windows.items(), strict=True):
    axis.imshow(g2r.to_uint8(scan, window), cmap="gray", vmin=0, vmax=255)
    lo, hi = window or scan.value_range
    axis.set_title(f"{title}\n{lo:g} to {hi:g}", fontsize=10)
    axis.axis("off")
