"""ONNX files, with or without tensors in files beside them."""

import numpy as np
import pytest

from graytorgb import ModelError
from graytorgb.models import adapt, adapt_file, verify

from ...support import needs_package

needs_package("onnx", "onnxruntime")

import onnx  # noqa: E402

from .graphs import (  # noqa: E402
    MEAN,
    RNG,
    STD,
    assert_same,
    assert_valid,
    gray,
    model,
    planes,
    run,
)


class TestFiles:
    @pytest.fixture
    def path(self, tmp_path):
        """Return the path of a model whose tensors are in a file beside it."""
        proto = model(
            "a = Conv <pads = [1, 1, 1, 1]> (x, w) y = Conv(a, v)",
            v=RNG.standard_normal((8, 8, 3, 3)).astype(np.float32),
        )
        folder = tmp_path / "source"
        folder.mkdir()
        onnx.save(proto, folder / "net.onnx", save_as_external_data=True, location="net.data",
            size_threshold=0)  # fmt: skip
        return folder / "net.onnx"

    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_tensors_outside_stay_outside(self, path, tmp_path, how):
        out = tmp_path / "gray.onnx"
        adapt_file(path, out, (MEAN, STD), how=how)
        written = onnx.load(out, load_external_data=False)
        outside = {t.name: t.external_data[0].value for t in written.graph.initializer
            if t.external_data}  # fmt: skip
        assert outside["v"] == "gray.onnx.data"
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "gray.onnx", "gray.onnx.data", "source"
        ]  # fmt: skip
        onnx.checker.check_model(out, full_check=True)
        proof = verify(path, out, gray(2, 16, 18), (MEAN, STD), seconds=0)
        assert proof.passed
        assert proof.stem_difference is not None

    def test_without_dst_they_are_in_memory(self, path):
        adapted = adapt(str(path), (MEAN, STD))
        assert not any(t.external_data for t in adapted.graph.initializer)
        assert_valid(adapted)
        assert verify(path, adapted, gray(2, 16, 18), (MEAN, STD), seconds=0).passed

    def test_a_file_for_each_tensor(self, path, tmp_path):
        proto = onnx.load(path)
        many = tmp_path / "many"
        many.mkdir()
        onnx.save(proto, many / "net.onnx", save_as_external_data=True, size_threshold=0,
            all_tensors_to_one_file=False)  # fmt: skip
        out = tmp_path / "gray.onnx"
        adapt_file(many / "net.onnx", out, (MEAN, STD))
        assert verify(many / "net.onnx", out, gray(2, 16, 18), (MEAN, STD), seconds=0).passed
        assert (tmp_path / "gray.onnx.data").exists()

    def test_onto_itself(self, path):
        x = gray(2, 1, 16, 18)
        expected = run(onnx.load(path), x=planes(x))
        adapt_file(path, path, (MEAN, STD))
        assert_same(run(onnx.load(path), x=x), expected, 1e-5)

    def test_a_model_in_memory(self, path, tmp_path):
        proto = onnx.load(path)
        onnx.save(adapt(proto, (MEAN, STD)), tmp_path / "gray.onnx")
        assert verify(proto, tmp_path / "gray.onnx", gray(2, 9, 9), (MEAN, STD), seconds=0).passed

    def test_tensors_that_were_not_loaded(self, path, tmp_path):
        proto = onnx.load(path, load_external_data=False)
        with pytest.raises(ModelError, match=r"wasn't loaded: onnx.load\(path\) loads it"):
            adapt(proto, (MEAN, STD))
        with pytest.raises(ModelError, match="pass its path"):
            verify(proto, proto, gray(2, 9, 9), (MEAN, STD))

    def test_tensors_that_are_not_there(self, path, tmp_path):
        (path.parent / "net.data").unlink()
        with pytest.raises(ModelError, match="can't be read"):
            adapt(path, (MEAN, STD))
        with pytest.raises(ModelError, match="can't be read"):
            adapt_file(path, tmp_path / "gray.onnx", (MEAN, STD))
        assert not (tmp_path / "gray.onnx").exists()

    def test_tensors_elsewhere(self, path, tmp_path):
        """A model can't make us copy files from outside of its folder."""
        proto = onnx.load(path, load_external_data=False)
        (tmp_path / "secret").write_bytes(bytes(10_000))
        for tensor in proto.graph.initializer:
            if tensor.name == "v":
                tensor.external_data[0].value = "../secret"
        path.write_bytes(proto.SerializeToString())
        with pytest.raises(ModelError, match="outside of the model's folder"):
            adapt_file(path, tmp_path / "gray.onnx", (MEAN, STD))

    @pytest.mark.parametrize("content", [b"", b"no model", None])
    def test_no_model(self, tmp_path, content):
        path = tmp_path / "net.onnx"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(
            FileNotFoundError if content is None else ModelError, match=r"net\.onnx"
        ):
            adapt(path, (MEAN, STD))

    def test_a_name_in_capitals(self, path, tmp_path):
        capitals = tmp_path / "NET.ONNX"
        capitals.write_bytes(onnx.load(path).SerializeToString())
        assert adapt(capitals, (MEAN, STD)) == adapt(path, (MEAN, STD))

    def test_other_files(self):
        with pytest.raises(ModelError, match=r"adapt_file\(path, dst, stats"):
            adapt("net.safetensors", (MEAN, STD))
        with pytest.raises(ModelError, match=r"adapt_file\(src, dst\)"):
            adapt("net.onnx", (MEAN, STD), inplace=True)
