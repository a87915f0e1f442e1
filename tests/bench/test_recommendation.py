"""``recommend``: what is ranked, within which memory, and for which arrays."""

import pytest

import graytorgb as g2r

from ..support import needs, needs_package

needs("opencv", "pillow")
needs_package("psutil")


class TestRecommend:
    def test_ranked(self):
        ranked = g2r.recommend((64, 224, 224), "uint8", "NHW->NHWC")
        assert [it.fresh_s for it in ranked] == sorted(it.fresh_s for it in ranked)
        assert ranked[0].result == "view"
        names = {it.backend for it in ranked}
        assert {"repeat", "dstack", "fill", "broadcast", "opencv", "pillow"} <= names
        best = next(it for it in ranked if it.result == "copy")
        assert best.reason.startswith("the fastest copy: ")
        assert best.result_bytes == 3 * 64 * 224 * 224
        assert best.peak_bytes >= best.result_bytes
        assert all(it.reason for it in ranked)

    def test_memory_limit_leaves_out_what_does_not_fit(self):
        needed = 3 * 64 * 224 * 224
        assert [
            it.backend
            for it in g2r.recommend((64, 224, 224), "uint8", "NHW", memory_limit=needed - 1)
        ] == ["broadcast"]
        assert len(g2r.recommend((64, 224, 224), "uint8", "NHW", memory_limit=2 * needed)) > 5

    def test_large_batches_are_measured_on_a_sample(self):
        ranked = g2r.recommend((100_000, 512, 512), "uint8", "NHW->NCHW", memory_limit=1 << 50)
        copies = [it for it in ranked if it.result == "copy"]
        assert copies[0].result_bytes == 3 * 100_000 * 512 * 512
        assert copies[0].fresh_s > 1

    def test_only_what_carries_the_dtype(self):
        assert "pillow" not in {it.backend for it in g2r.recommend((28, 28), "float32")}

    @pytest.mark.parametrize("limit", [-1, 1.5, "2GB", True])
    def test_a_memory_limit_that_is_none(self, limit):
        with pytest.raises(g2r.OptionError, match="number of bytes"):
            g2r.recommend((28, 28), "uint8", memory_limit=limit)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            (((64, 224, 224), "uint8"), g2r.LayoutError),
            (((28, 28), object), g2r.DtypeError),
            (((28, 28), "uint8", "hw"), g2r.LayoutError),
        ],
    )
    def test_errors(self, arguments, error):
        with pytest.raises(error):
            g2r.recommend(*arguments)
