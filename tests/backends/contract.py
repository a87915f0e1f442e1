"""The contract of graytorgb.testing, by every backend of this package and by "auto".

A new backend runs all of it by its line in the table.
"""

import sys

import numpy as np
import psutil
import pytest

import graytorgb as g2r
from graytorgb.backends.table import BUILT_IN
from graytorgb.testing import BackendContract

from ..support import needs, run_python


class OwnContract(BackendContract):
    """What this package's backends promise beside the contract: sizes and memory."""

    @classmethod
    def setup_class(cls):
        if cls.backend != "auto":
            needs(cls.backend)

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("shape", "layout"),
        [
            ((1, 715_827_883), "HW->CHW"),
            ((27_000, 27_000), "HW->CHW"),
            # interleaving flattens every shape; an int doesn't count this one's rows
            ((2_200_000_000, 1), "HW->HWC"),
        ],
    )
    def test_more_bytes_than_an_int_counts(self, shape, layout):
        # the others are NumPy's loops, or count in 64 bits; auto takes one of them
        if self.backend != "opencv":
            shape = tuple(max(1, size // 100) for size in shape)
        elif 5 * np.prod(shape, dtype=np.int64) > psutil.virtual_memory().available:
            pytest.skip("needs five times the input's memory")
        # in two steps, since np.resize joins its copies one by one: 9 million copies of 251 bytes
        block = np.resize(np.arange(251, dtype=np.uint8), 251 << 12)
        gray = np.resize(block, shape)
        rgb = g2r.to_rgb(gray, layout, backend=self.backend)
        gray = gray.reshape(-1)
        rgb = rgb.reshape(3, -1) if layout.endswith("CHW") else rgb.reshape(-1, 3).T
        middle, part = gray.size // 2, 1 << 20  # an overflow changes all that comes after it
        for places in (slice(part), slice(middle, middle + part), slice(-part, None)):
            for channel in rgb[:, places]:
                assert np.array_equal(channel, gray[places])

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="reads the high-water mark from /proc")
    @pytest.mark.parametrize("layout", ["NHW->NHWC", "NHW->NCHW"])
    def test_memory_over_the_result(self, layout):
        """At most 1 % of the result over it, by the process's resident high-water mark.

        Python's tracer sees neither OpenCV's memory nor torch's.
        """
        code = f"""
import numpy as np
import graytorgb as g2r
def kib(field):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))
gray = np.ones((512, 384, 384), np.uint8)
g2r.to_rgb(gray[:2], {layout!r}, backend={self.backend!r})
before = kib("VmRSS")
result = g2r.to_rgb(gray, {layout!r}, backend={self.backend!r})
print(1024 * (kib("VmHWM") - before), result.nbytes)
"""
        used, nbytes = map(int, run_python(code).split())
        own = 0 if self.makes_views() else nbytes
        assert used <= own + 0.01 * nbytes, f"{(used - own) / nbytes:.1%} over the result"


# A class for each backend, such as TestOpencv
for name in (*BUILT_IN, "auto"):
    title = f"Test{name.title()}"
    globals()[title] = type(title, (OwnContract,), {"backend": name})
