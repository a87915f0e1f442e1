"""Audit a small set of real images and write the page that `graytorgb audit --html` makes.

This is how the picture of the guide is made, with Chromium and its driver:

    python -m examples.audit_page --picture docs/images/audit.png
"""

import contextlib
import shutil
import tempfile
from pathlib import Path

import click
import numpy as np
import pydicom
import skimage.data
from PIL import Image
from pydicom.data import get_testdata_file

from graytorgb.cli.files import FileCommand, OutputFile
from graytorgb.core.writing import replacing
from graytorgb.datasets import audit

SCANS = {"abdomen": "examples_overlay.dcm", "head": "MR_small.dcm", "spine": "CT_small.dcm"}
PHOTOS = ("camera", "coins", "moon", "page", "cell", "clock")
WIDTH, HEIGHT = 1280, 1590  # of the picture: the upper part of the page


@click.command(cls=FileCommand)
@click.option("--output", default="audit.html", show_default=True, type=OutputFile((".html",)))
@click.option("--picture", type=OutputFile((".png",)), help="A picture of the page's upper part.")
def main(output: Path, picture: Path | None) -> None:
    """Write the page of an audit, and a picture of it."""
    output = output.absolute()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        make_set(Path("clinic"))
        with audit("clinic") as found:
            found.write_html(output)
    click.echo(f"{output} is the page.")
    if picture is not None:
        draw_page(output, picture)


def make_set(folder: Path) -> None:
    """Write scans of 12 bits, photos that are stored in two ways, and a damaged file."""
    for name in ("scans", "photos"):
        (folder / name).mkdir(parents=True)
    for name, file in SCANS.items():
        path = get_testdata_file(file, download=False)
        shutil.copy(path, folder / "scans" / f"{name}.dcm")
        values = pydicom.dcmread(path).pixel_array.astype(np.int64)
        scan = values - values.min()
        if scan.max() >= 2048:  # the others would be dark in a set of 12 bits
            for turn in range(4):
                turned = np.rot90(scan.clip(0, 4095).astype(np.uint16), turn)
                Image.fromarray(turned).save(folder / "scans" / f"{name} {turn}.png")
    for name in PHOTOS:
        photo = Image.fromarray(getattr(skimage.data, name)())
        photo.convert("RGB").save(folder / "photos" / f"{name}.png")
        photo.save(folder / "photos" / f"{name}.jpg")
    shutil.copy(folder / "photos/coins.png", folder / "photos/coins (1).png")
    data = (folder / "scans/spine 0.png").read_bytes()
    (folder / "scans/cut.png").write_bytes(data[: len(data) // 2])
    (folder / "notes.txt").write_text("Ward 3, March")


def draw_page(page: Path, picture: Path) -> None:
    """Save what a browser shows of the upper part of a page."""
    from selenium import webdriver  # only pictures need it

    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--hide-scrollbars", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        driver.get(page.as_uri())
        with replacing(picture) as written:
            driver.save_screenshot(str(written))
            Image.open(written).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
                written, optimize=True
            )
    finally:
        driver.quit()


if __name__ == "__main__":
    main()
