"""What the recipes share, and that each recipe of the table has its section."""

import re

import numpy as np
import pytest

from ..support import needs, needs_package, read_guide

needs("torchvision")
needs_package("skimage")

import torch  # noqa: E402
from torch import nn  # noqa: E402

from examples.recipes.photos import NAMES, measure_statistics, read_photos, write_photos  # noqa: E402


def test_photos_are_written_as_gray_files_and_read_again(tmp_path):
    paths = write_photos(tmp_path / "new", 48)
    photos = read_photos(paths)
    assert [path.stem for path in paths] == list(NAMES)
    assert photos.shape == (len(NAMES), 48, 48)
    assert photos.dtype == np.float32
    assert 0 <= photos.min() < 0.2 < 0.8 < photos.max() <= 1


def test_statistics_are_those_of_the_images():
    convolution = nn.Conv2d(3, 8, 3)
    model = nn.Sequential(convolution, nn.BatchNorm2d(8), nn.Dropout(0.5)).train()
    images = torch.rand(4, 3, 16, 16)
    measure_statistics(model, lambda: model(images))
    assert not any(module.training for module in model.modules())
    with torch.no_grad():
        seen = convolution(images)
        given = model(images)
    torch.testing.assert_close(model[1].running_mean, seen.mean((0, 2, 3)))
    torch.testing.assert_close(model[1].running_var, seen.var((0, 2, 3)))
    # normalized: mean 0 and, up to the epsilon of BatchNorm, std 1 in each channel
    torch.testing.assert_close(given.mean((0, 2, 3)), torch.zeros(8), atol=1e-5, rtol=0)
    torch.testing.assert_close(given.std((0, 2, 3)), torch.ones(8), atol=1e-2, rtol=0)


def test_statistics_of_earlier_images_are_forgotten():
    model = nn.Sequential(nn.BatchNorm2d(3))
    for images in (torch.rand(4, 3, 8, 8) + 5, torch.rand(4, 3, 8, 8)):
        measure_statistics(model, lambda images=images: model(images))
    torch.testing.assert_close(model[0].running_mean, images.mean((0, 2, 3)))


def find_anchors(text):
    """Return the anchors of a page's headings, as the documentation makes them."""
    headings = re.findall("^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["recipes.md", "recipes_detection.md", "recipes_onnx.md"])
def test_every_link_to_a_recipe_leads_to_a_heading(page):
    links = re.findall(r"\]\((recipes\w*\.md)?(?:#([\w-]+))?\)", read_guide(page))
    for target, anchor in links:
        text = read_guide(target or page)
        assert not anchor or anchor in find_anchors(text), (target, anchor)


def test_the_table_of_recipes_has_every_section():
    text = read_guide("recipes.md")
    table = set(re.findall(r"^\| \[.*?\]\((?:recipes\w*\.md)?#?([\w.-]*)\)", text, re.M))
    sections = {
        anchor
        for page in ("recipes.md", "recipes_detection.md")
        for anchor in find_anchors(read_guide(page))
        if anchor not in ("recipes", "recipes-detection-and-segmentation")
    }
    assert sections <= table
