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

from ..support import needs, random_bits, run_python


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
        gray = np.zeros(shape, np.uint8)  # no memory is used, but where it is written
        flat, part = gray.reshape(-1), min(1 << 20, gray.size // 3)
        middle = gray.size // 2  # an overflow changes all that comes after it
        several = [slice(part), slice(middle, middle + part), slice(-part, None)]
        for seed, places in enumerate(several):
            flat[places] = random_bits((part,), np.uint8, seed)
        rgb = g2r.to_rgb(gray, layout, backend=self.backend)
        rgb = rgb.reshape(3, -1) if layout.endswith("CHW") else rgb.reshape(-1, 3).T
        for places in several:
            for channel in rgb[:, places]:
                assert np.array_equal(channel, flat[places])

    @pytest.mark.slow
    @pytest.mark.skipif(sys.platform != "linux", reason="reads the high-water mark from /proc")
    def test_memory_over_the_result(self):
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
for layout in ("NHW->NHWC", "NHW->NCHW"):
    result = None
    g2r.to_rgb(gray[:2], layout, backend={self.backend!r})
    open("/proc/self/clear_refs", "w").write("5")  # the high-water mark starts again
    before = kib("VmRSS")
    result = g2r.to_rgb(gray, layout, backend={self.backend!r})
    print(1024 * (kib("VmHWM") - before), result.nbytes)
"""
        lines = run_python(code).splitlines()
        assert len(lines) == 2
        for used, nbytes in (map(int, line.split()) for line in lines):
            own = 0 if self.makes_views() else nbytes
            assert used <= own + 0.01 * nbytes, f"{(used - own) / nbytes:.1%} over the result"


# A class for each backend, such as TestOpencv
for name in (*BUILT_IN, "auto"):
    title = f"Test{name.title()}"
    globals()[title] = type(title, (OwnContract,), {"backend": name})
