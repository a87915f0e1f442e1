"""The page of an audit: what is on it, and that any set and any name of a file fits on it."""

import os
import re
import tracemalloc
from base64 import b64decode
from collections import Counter
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import skimage.data
from click.testing import CliRunner

from graytorgb.cli import main
from graytorgb.datasets import audit, audit_chart, audit_page
from graytorgb.datasets.audit_findings import COPY, FINDINGS, LOSS, MIXED, UNREADABLE
from graytorgb.datasets.audit_remedies import REMEDIES
from graytorgb.datasets.audit_sample import choose_records, rate_loss
from graytorgb.datasets.items import Item, Skipped

from .audit_records import LOADERS, make_audit, make_broken, make_record

GRAY = np.arange(256, dtype=np.uint8).reshape(16, 16)
DEEP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
VOID = {"meta", "img", "br", "link", "input", "hr", "wbr", "path", "line"}
KEPT = {"levels_before": 4096, "levels_after": 4096, "white": 0.0, "bits_after": 16}
CLIPPED = {"levels_before": 4096, "levels_after": 256, "white": 0.9375, "bits_after": 8}
DARK = {"levels_before": 4096, "levels_after": 16, "white": 0.0, "bits_after": 8}
LOST = {"pillow": CLIPPED, "opencv": DARK, "torchvision": KEPT, "torchcodec": DARK,
        "tensorflow": None, "keras": CLIPPED}  # fmt: skip


class Page(HTMLParser):
    """The parts of a page; every element that is opened has to be closed."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.words, self.open = Counter(), [], [], []
        self.lines = []  # what is to be copied
        self.feed(path.read_bytes().decode("utf-8"))
        self.close()
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))
        if tag == "pre":
            self.lines.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] += 1
        self.attributes.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.attributes and self.attributes[-1][0] == "wbr" and self.words:
            self.words[-1] += data
        elif self.open and self.open[-1] != "style":
            self.words.append(data)
        if "pre" in self.open:
            self.lines[-1] += data

    def find(self, tag, attribute):
        return [given[attribute] for name, given in self.attributes
                if name == tag and attribute in given]  # fmt: skip

    def decode(self, alt):
        """Return the pixels of the picture that is described so."""
        (uri,) = (given["src"] for name, given in self.attributes
                  if name == "img" and given["alt"].startswith(alt))  # fmt: skip
        kind, data = re.fullmatch(r"data:image/(png|jpeg);base64,(.*)", uri).groups()
        picture = PIL.Image.open(BytesIO(b64decode(data)))
        assert picture.format.lower() == kind
        return np.asarray(picture)


def write(made, path):
    made.write_html(path)
    return Page(path)


def save(folder, name, array):
    """Save an array as a file that is called so, and return what reads it."""
    path = folder / name
    PIL.Image.fromarray(array).save(path, "PNG")
    return Item(name, os.fspath(path), size=path.stat().st_size)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """A set in which everything occurs, with files that can be read again."""
    folder = tmp_path_factory.mktemp("scans")
    items = [save(folder, "deep.png", DEEP), save(folder, "gray.png", GRAY)]
    losses = dict.fromkeys(LOADERS, LOST["opencv"])
    made = [
        make_record("deep.png", DEEP, losses=LOST),
        make_record("gray.png", GRAY, icc=True, orientation=6, frames=2, inverted=True),
        make_record("c/shifted.tif", GRAY.astype(np.uint16) << 4, losses=losses, format="TIFF"),
        make_record("c/thrice.png", GRAY, color="rgb-gray", color_type="RGB", alpha="opaque"),
        make_record("c/nearly.png", GRAY, color="rgb-nearly-gray", alpha="constant"),
        make_record("c/color.png", GRAY, color="color", alpha="varying"),
        make_record("c/palette.png", GRAY, color_type="palette"),
        make_record("c/header.png", GRAY, color_type="RGBA", alpha=None),
        make_record("c/flat.png", GRAY * 0, layout=None),
        make_record("c/nan.tif", np.float32([[np.nan, 1]])),
        make_broken("c/cut.png", "ends at byte 7 <here>"),
        make_broken("c/cut too.png", "ends at byte 99 <here>"),
        make_record("c/copy.png", GRAY),
    ]
    items += [Item(record["path"], os.fspath(folder / "gone")) for record, _ in made[2:]]
    skipped = [Skipped("notes.txt", "no image"), Skipped("more.txt", "no image")]
    return make_audit(*made, items=items, skipped=skipped)


@pytest.fixture(scope="module")
def page(scans, tmp_path_factory):
    return write(scans, tmp_path_factory.mktemp("page") / "page.html")


def test_every_finding_is_on_the_page(scans, page):
    losses = {f"{LOSS}{name}" for name in LOADERS}
    assert set(scans.findings) == {*FINDINGS, *MIXED, *losses}
    slugs = {name.replace(" ", "-") for name in [*FINDINGS, *MIXED]}
    ids = [given["id"] for _, given in page.attributes if "id" in given]
    assert slugs <= set(ids)
    assert len(ids) == len(set(ids))
    links = page.find("a", "href")
    assert {f"#{slug}" for slug in slugs} <= set(links) <= {f"#{each}" for each in ids}
    for name, count in scans.findings.items():
        assert re.search(rf"{re.escape(name)} {count}\b", page.text), name
        if not name.startswith(LOSS):
            assert REMEDIES[name] in page.text


def test_every_finding_has_a_remedy_and_no_other():
    assert set(REMEDIES) == {*FINDINGS, *MIXED}
    assert {UNREADABLE, COPY} < set(REMEDIES)


def test_the_set_in_one_glance(scans, page):
    assert "would lose values of 2 of 13 images. 2 can't be read." in page.text
    assert "other files 2" in page.text
    assert scans.value_range_reason in page.text
    assert page.lines == [scans.advice["code"], scans.advice["command"]]
    for note in scans.advice["notes"]:
        assert note in page.text


def test_reasons_are_grouped(page):
    assert "2 files : ends at byte 7 <here> c/cut.png , c/cut too.png" in page.text
    assert "2 files : no image more.txt , notes.txt" in page.text


def test_it_needs_nothing_else(page):
    assert not {"script", "link", "iframe", "object", "base", "form"} & set(page.tags)
    for tag, given in page.attributes:
        assert not [name for name in given if name.startswith("on")]
        for name in ("src", "href", "srcset", "data", "action", "xlink:href"):
            if name in given:
                assert given[name].startswith(("#", "data:image/")), (tag, given)


def test_styles_fetch_nothing(scans, tmp_path):
    scans.write_html(tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    without = re.sub(r"data:image/[^\"]*", "", text)
    assert "url(" not in without
    assert "@import" not in without
    assert "//" not in without


def test_pictures_say_what_they_show(page):
    alts = page.find("img", "alt")
    assert all(alts)
    assert len(alts) == page.tags["img"] == len(page.find("img", "src"))
    assert "thumbnail of deep.png" in alts


def test_headings_have_an_order(page):
    order = [int(tag[1]) for tag, _ in page.attributes if re.fullmatch("h[1-6]", tag)]
    assert order[0] == 1
    assert order.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(order))


def test_tables_have_headings_for_rows_and_columns(page):
    assert page.tags["table"] >= 5
    assert set(page.find("th", "scope")) == {"row", "col"}
    assert page.tags["th"] == len(page.find("th", "scope"))


def test_a_file_that_is_gone_is_said_to_be(page):
    assert "not drawn: it is gone since the audit" in page.text
    assert "not drawn: its axes aren't known" in page.text


def test_a_file_that_is_damaged_since_is_said_to_be(tmp_path):
    item = save(tmp_path, "a.png", DEEP)
    Path(item.location).write_bytes(Path(item.location).read_bytes()[:99])
    page = write(make_audit(make_record("a.png", DEEP), items=[item]), tmp_path / "page.html")
    assert "not drawn: truncated: " in page.text
    assert item.location not in page.text


def test_it_is_the_same_again(scans, tmp_path):
    for name in ("a", "b"):
        scans.write_html(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_page_that_fails_leaves_the_old_one(scans, tmp_path, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    monkeypatch.setattr(Path, "write_bytes", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        scans.write_html(path)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("page.html", "old")]


def test_names_are_no_markup(tmp_path):
    names = ["<script>alert(1)<.png", '"onerror="alert(1).png', "a\nb.png", "a\udcff.png",
             "\u202egnp.png", "&lt;.png", "{{ 7 * 7 }}.png", "n" * 300 + ".png"]  # fmt: skip
    losses = dict.fromkeys(LOADERS, CLIPPED)
    made = [make_record(name, DEEP + k, losses=losses) for k, name in enumerate(names)]
    broken = [make_broken("<b>/cut.png", "<i>why</i>\n\udcfe")]
    found = make_audit(*made, *broken, skipped=[Skipped("<u>.txt", "<s>")])
    found.source = "<h1>\udcff</h1>"
    page = write(found, tmp_path / "page.html")
    assert not {"script", "b", "u", "s"} & set(page.tags)
    assert page.tags["h1"] == 1
    assert all("onerror" not in given for _, given in page.attributes)
    shown = [*names[:2], r"a\nb.png", r"a\xff.png", r"\u202egnp.png", *names[5:7]]
    for name in [*shown, "<u>.txt", "<b>", r"<i>why</i>\n\xfe", r"<h1>\xff</h1>"]:
        assert name in page.text, name
    titles = page.find("figcaption", "title")
    assert "n" * 300 + ".png" in titles  # the caption itself is short
    assert "n" * 300 not in re.sub("|".join(map(re.escape, titles)), "", "".join(page.words[:99]))


def test_a_thumbnail_shows_the_file_in_the_range_of_the_set(tmp_path):
    ramp = np.tile(np.arange(0, 4096, 4, dtype=np.uint16), (300, 1))
    item = save(tmp_path, "ramp.png", ramp)
    page = write(make_audit(make_record("ramp.png", ramp), items=[item]), tmp_path / "page.html")
    images = [given["src"] for tag, given in page.attributes if tag == "img"]
    data = b64decode(images[0].partition("base64,")[2])
    pixels = np.asarray(PIL.Image.open(BytesIO(data)), int)
    assert pixels.shape == (42, 144)
    expected = (np.arange(144) + 0.5) / 144 * 255
    assert np.abs(pixels - expected).max() < 4


def test_a_turned_file_is_shown_upright(tmp_path):
    camera = skimage.data.camera()
    image, exif = PIL.Image.fromarray(np.rot90(camera)), PIL.Image.Exif()
    exif[0x112] = 6
    image.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    item = Item("turned.jpg", os.fspath(tmp_path / "turned.jpg"))
    found = make_audit(make_record("turned.jpg", camera, orientation=6), items=[item])
    pixels = write(found, tmp_path / "page.html").decode("thumbnail of turned.jpg")
    small = PIL.Image.fromarray(camera).resize(pixels.shape[::-1], PIL.Image.Resampling.BOX)
    assert np.abs(pixels.astype(int) - np.asarray(small)).mean() < 4


def test_a_file_that_the_range_leaves_dark_is_drawn_between_its_own_extremes(tmp_path):
    dim = (np.arange(256, dtype=np.uint16) % 16).reshape(16, 16)
    bright = np.full((16, 16), 65535, np.uint16)
    items = [save(tmp_path, "dim.png", dim), save(tmp_path, "bright.png", bright)]
    made = [make_record("dim.png", dim, icc=True), make_record("bright.png", bright)]
    found = make_audit(*made, items=items)
    assert found.value_range == (0, 65535)
    alt = "thumbnail of dim.png"
    path = tmp_path / "page.html"
    found.write_html(path)
    uri = re.search(rf'src="([^"]*)" alt="{alt}"', path.read_text())[1]
    pixels = np.asarray(PIL.Image.open(BytesIO(b64decode(uri.partition("base64,")[2]))))
    assert len(np.unique(pixels)) == 16
    assert (pixels.min(), pixels.max()) == (0, 255)


@pytest.mark.parametrize("name", ["nan.npy", "inf.npy", "none.npy"])
def test_values_that_are_not_finite_are_drawn(tmp_path, name):
    array = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    bad = {"nan.npy": np.nan, "inf.npy": np.inf, "none.npy": np.nan}[name]
    array[:: 1 if name == "none.npy" else 2] = bad
    np.save(tmp_path / name, array)
    item = Item(name, os.fspath(tmp_path / name))
    record = make_record(name, array, layout="HW")
    path = tmp_path / "page.html"
    make_audit(record, items=[item]).write_html(path)
    assert "not drawn" not in path.read_text()
    assert f'alt="thumbnail of {name}"' in path.read_text()


def test_what_loaders_make_of_a_file_is_beside_ours(scans, page):
    """The file is a ramp of 12 bits in 16: Pillow clips it, OpenCV keeps its upper bits."""
    alts = [alt for alt in page.find("img", "alt") if " by " in alt]
    assert alts == [
        "deep.png by graytorgb: 256 levels",
        "deep.png by pillow and keras: 256 levels, 93.8% turned white",
        "deep.png by opencv and torchcodec: 16 levels, 0% turned white",
    ]
    ours, pillow, opencv = (page.decode(alt) for alt in alts)
    assert np.abs(ours - np.arange(4096).reshape(64, 64) / 4095 * 255).max() <= 0.51
    assert (pillow == np.minimum(DEEP, 255)).all()
    assert (opencv == DEEP >> 8).all()
    assert "Nothing lost, but scaled or turned otherwise: torchvision." in page.text
    assert "Refused by tensorflow." in page.text
    assert "c/shifted.tif TIFF, gray, 16 bits Not drawn: it is gone since the audit" in page.text


def test_loaders_are_summed_up(scans, page):
    for name, loader in scans.losses.items():
        kept = f"{loader['levels_after']:,} of {loader['levels_before']:,}"
        assert re.search(rf"\b{name} [^-]*\) {loader['files']} {kept}", page.text), name
    assert scans.losses["torchvision"]["files"] == 1
    assert "1 file, up to 93.8%" in page.text


def test_a_loss_that_8_bits_cannot_avoid_needs_no_picture(tmp_path):
    full = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    loss = {"levels_before": 65536, "levels_after": 256, "white": 0.0, "bits_after": 8}
    item = save(tmp_path, "full.png", full)
    made = make_record("full.png", full, losses=dict.fromkeys(LOADERS, loss))
    page = write(make_audit(made, items=[item]), tmp_path / "page.html")
    assert "The loaders lose levels that 8 bits can't hold" in page.text
    assert [alt for alt in page.find("img", "alt") if " by " in alt] == []


def make_many(files):
    """Return an audit of many files, of which every fifth can't be read."""
    losses = dict.fromkeys(LOADERS, CLIPPED)
    deep, counts = make_record("a.png", DEEP, losses=losses)
    made = []
    for k in range(files):
        path = f"class {k % 197:03}/{k:06}.png"
        folder = path.partition("/")[0]
        if k % 5:
            made.append((deep | {"path": path, "folder": folder, "digest": f"{k:x}"}, counts))
        else:
            made.append(make_broken(path, f"{'why ' * (k % 100)}at byte {k}"))
    skipped = [Skipped(f"{k}.txt", "because " * (k % 50)) for k in range(files)]
    return make_audit(*made, skipped=skipped)


def test_a_large_set_makes_no_large_page(tmp_path):
    few, many = (write(make_many(files), tmp_path / str(files)) for files in (400, 4000))
    sizes = [(tmp_path / str(files)).stat().st_size for files in (400, 4000)]
    assert sizes[1] < 1.1 * sizes[0]
    assert sizes[1] < 100_000
    assert few.tags["figure"] == many.tags["figure"] <= 8 * 4
    assert many.tags["tr"] < 80
    assert "and 3,192 more" in many.text  # of the 3,200 that are deep
    assert re.search(r"Of 197 folders these 40 ", many.text)
    assert many.text.count("for other reasons") == 2


def test_memory_does_not_grow_with_the_files(tmp_path):
    peaks = []
    for files in (100, 100, 800):  # the first time imports and fills caches
        with make_many(files) as made:
            tracemalloc.start()
            made.write_html(tmp_path / "page.html")
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[2] < 1.25 * peaks[1]


def test_thumbnails_are_spread_over_the_set():
    sample = choose_records(make_many(400), per_finding=8)
    assert len(sample.by_finding["deep"]) == 8
    assert sample.by_finding["deep"][0] < 10
    assert sample.by_finding["deep"][-1] > 340
    gaps = np.diff(sample.by_finding["deep"])
    assert gaps.min() >= 49
    assert gaps.max() <= 51
    assert set(sample.records) >= set(sample.by_finding["deep"])


def test_files_are_compared_one_of_each_kind_the_worst_first():
    def lose(white):
        return dict.fromkeys(LOADERS, CLIPPED | {"white": white})

    made = [
        make_record("a.png", DEEP, losses=lose(0.2)),
        make_record("b.png", DEEP + 1, losses=lose(0.4)),
        make_record("c.tif", DEEP + 2, losses=lose(0.3), format="TIFF"),
        make_record("d.tif", DEEP + 3, losses={"keras": DARK}, format="TIFF"),
        make_record("e.png", GRAY),
    ]
    sample = choose_records(make_audit(*made), per_finding=0)
    assert sample.worst == [3, 1]
    assert {number: record["path"] for number, record in sample.records.items()} == {
        1: "b.png", 3: "d.tif"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("loss", "rate"),
    [
        (None, 0),
        (KEPT, 0),
        (CLIPPED, 0.9375),
        (DARK, 0.9375),
        ({"levels_before": 100, "levels_after": 25, "white": 0.5, "bits_after": 8}, 0.75),
        ({"levels_before": 5, "levels_after": 0, "white": 0.0, "bits_after": 8}, 1),
        ({"levels_before": 2, "levels_after": 9, "white": 0.0, "bits_after": 8}, 0),
    ],
)
def test_a_loss_is_rated_by_what_8_bits_could_hold(loss, rate):
    assert rate_loss(loss) == rate


def test_an_empty_set_has_a_page(tmp_path):
    page = write(make_audit(skipped=[Skipped("notes.txt", "no image")]), tmp_path / "page.html")
    assert "There is no image here." in page.text
    assert "notes.txt" in page.text
    assert page.tags["pre"] == 0


def test_a_set_of_damaged_files_has_a_page(tmp_path):
    page = write(make_audit(make_broken("a.png"), make_broken("b.png")), tmp_path / "page.html")
    assert "None of the images can be read." in page.text
    assert "2 files : truncated a.png , b.png" in page.text
    assert page.tags["pre"] == 0  # no advice on how to read them
    alone = write(make_audit(make_broken("a.png")), tmp_path / "page.html")
    assert "The image can't be read." in alone.text


def test_a_set_without_faults_is_said_to_be(tmp_path):
    page = write(make_audit(make_record("a.png", GRAY)), tmp_path / "page.html")
    assert "No usual loader would lose a value." in page.text
    assert "Nothing is wrong with the files." in page.text


def test_an_audit_of_headers_says_what_it_does_not_know(tmp_path):
    record, _ = make_record("a.png", DEEP, losses=None, levels=None, min=None, max=None,
                            effective_bits=None, step=None, constant=None, color=None,
                            alpha=None, not_finite=None)  # fmt: skip
    item = save(tmp_path, "a.png", DEEP)
    page = write(make_audit((record, None), items=[item], quick=True), tmp_path / "page.html")
    assert "Only headers were read, so it isn't known what loaders would lose." in page.text
    assert "lossy in a usual loader -" in page.text
    assert page.decode("thumbnail of a.png").shape == (64, 64)


# The histogram


def make_entry(values, counts, value_range, step=1):
    return {"histogram": {"values": values, "counts": counts}, "value_range": value_range,
            "step": step, "percentiles": {"50": float(values[len(values) // 2])}}  # fmt: skip


def read_bars(chart):
    """Return left, top and right of each bar of a chart."""
    bars = re.findall(r"M([\d.]+) 100V([\d.]+)H([\d.]+)V100z", chart.path)
    return [tuple(map(float, bar)) for bar in bars]


def test_a_bar_is_as_high_as_the_logarithm_of_its_count():
    bars = read_bars(audit_chart.draw_chart(make_entry([0, 1, 3], [9, 99, 999], [0, 3])))
    assert bars == [(0, pytest.approx(200 / 3, abs=0.01), 250),
                    (250, pytest.approx(100 / 3, abs=0.01), 500), (750, 0, 1000)]  # fmt: skip


def test_the_ends_of_the_range_are_where_their_values_are():
    chart = audit_chart.draw_chart(make_entry([10, 19], [1, 1], [0, 99]))
    assert chart.bar_width == 1
    assert [(end.text, end.place) for end in chart.ends] == [("black 0", 0.5), ("white 99", 99.5)]
    assert [bar[0] for bar in read_bars(chart)] == [100, 190]
    assert [mark.place for mark in chart.percentiles] == [19.5]
    outside = audit_chart.draw_chart(make_entry([-50, 49], [1, 1], [0, 9]))
    assert [end.place for end in outside.ends] == [50.5, 59.5]


def test_many_values_are_counted_in_few_bars_without_gaps():
    values = list(range(0, 65536, 16))
    chart = audit_chart.draw_chart(make_entry(values, [7] * 4096, [0, 65520], 16))
    bars = read_bars(chart)
    assert chart.bar_width == 256
    assert len(bars) == 256
    assert {top for _, top, _ in bars} == {0}
    odd = audit_chart.draw_chart(make_entry(list(range(0, 3000, 7)), [7] * 429, [0, 2999], 7))
    assert odd.bar_width == 14
    assert len({top for _, top, _ in read_bars(odd)[:-1]}) == 1


def test_values_that_are_not_counted_have_no_chart():
    entry = make_entry([0], [1], None)
    assert audit_chart.draw_chart(entry | {"histogram": None}) is None
    assert audit_chart.draw_chart(entry | {"histogram": {"values": [], "counts": []}}) is None
    single = audit_chart.draw_chart(entry)
    assert read_bars(single) == [(0, 0, 1000)]
    assert single.ends == []


def test_the_chart_is_on_the_page(page):
    assert page.tags["svg"] == 2  # of 8 and of 16 bits, not of floats
    assert "histogram of the values of" in "".join(page.find("div", "aria-label"))
    assert {"black 0", "white 255", "white 4,095"} <= set(page.words)


def test_effective_depths_are_beside_the_stated_ones(page):
    """The ramps of 12 bits in 16 say 16; the black image needs one bit of its eight."""
    assert "stated in use files 8 1 1 8 8 7 16 12 2 " in page.text


# The command


def run(*arguments):
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def test_the_command_writes_the_page(tmp_path):
    folder = tmp_path / "scans"
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
        save(folder, f"{name}/scan.png", DEEP if name == "a" else GRAY)
    result = run(folder, "--workers", 1, "--html", tmp_path / "page.html")
    assert result.exit_code == 0, result.output
    page = Page(tmp_path / "page.html")
    found = audit(folder, workers=1)
    for name, count in found.findings.items():
        assert re.search(rf"{re.escape(name)} {count}\b", page.text), name
    assert page.decode("a/scan.png by graytorgb").shape == (64, 64)
    found.write_html(tmp_path / "again.html")
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_the_command_writes_no_page_over_an_image(tmp_path):
    save(tmp_path, "a.png", GRAY)
    before = (tmp_path / "a.png").read_bytes()
    result = run(tmp_path, "--html", tmp_path / "a.png")
    assert result.exit_code == 2
    assert "--html is an image" in result.output
    assert (tmp_path / "a.png").read_bytes() == before


def test_without_jinja2_the_command_says_what_to_install_before_it_reads(tmp_path, monkeypatch):
    import sys

    save(tmp_path, "a.png", GRAY)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, audit_page.__name__)
    result = run(tmp_path, "--html", tmp_path / "page.html")
    assert result.exit_code == 1
    assert "jinja2" in result.output
    assert not (tmp_path / "page.html").exists()
