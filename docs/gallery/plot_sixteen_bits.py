"""
A 16-bit scan: convert("RGB") and to_uint8
==========================================

test
"""

import matplotlib.pyplot as plt
plt.imshow([[1,2]])
