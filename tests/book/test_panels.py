"""Stacked twins: a figure with panels side by side keeps all of its ink."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mlteach.core.palette import PALETTE
from tests.book.test_extensions import extension

SIZE = WIDTH, HEIGHT = 800, 400
#: Where the axes of two panels begin; each is 280 pixels wide and 300 high.
LEFT = 80, 480
FOOT = 330


def picture(
    *, labelled: tuple[bool, ...] = (True, True), over: tuple[int, ...] = ()
) -> Image.Image:
    """Two axes with ticks, and labels left of them; text over the gutter in some rows."""
    made = Image.new("RGB", SIZE, "white")
    pen = ImageDraw.Draw(made)
    for left, has_labels in zip(LEFT, labelled, strict=True):
        pen.line((left, FOOT - 300, left, FOOT), PALETTE["grey"])
        pen.line((left, FOOT, left + 280, FOOT), PALETTE["grey"])
        for y in range(FOOT - 300, FOOT, 60):
            pen.line((left - 8, y, left, y), PALETTE["grey"])
            if has_labels:
                pen.rectangle((left - 30, y - 8, left - 12, y + 8), "black")
        pen.ellipse((left + 90, 100, left + 130, 140), PALETTE["blue"])
    for y in over:
        pen.rectangle((300, y, 500, y + 20), "black")
    return made.quantize(16, dither=0)


def ink(image: Image.Image) -> int:
    """How many pixels are not white."""
    return int((np.asarray(image.convert("L")) < 250).sum())


@pytest.fixture(scope="module")
def panels():
    return extension("panels")


def test_panels_with_axes_of_their_own_are_parted(panels) -> None:
    whole = picture()
    stack = panels.stacked(whole, panels.panels(whole))
    assert stack.height == 2 * HEIGHT + panels.GAP
    assert stack.width < 0.6 * WIDTH
    assert ink(stack) == ink(whole)


def test_a_shared_axis_is_copied(panels) -> None:
    whole = picture(labelled=(True, False))
    stack = panels.stacked(whole, panels.panels(whole))
    one, two = (stack.crop((0, y, stack.width, y + HEIGHT)) for y in (0, HEIGHT + panels.GAP))
    assert ink(one) == ink(two)
    assert ink(stack) - ink(whole) == ink(whole.crop((0, 0, LEFT[0] - 8, HEIGHT)))


def test_a_label_of_all_goes_below_each(panels) -> None:
    whole, without = picture(over=(360,)), picture()
    stack = panels.stacked(whole, panels.panels(whole))
    label = ink(whole) - ink(without)
    assert ink(stack) == ink(without) + 2 * label
    assert np.unique(np.asarray(stack.convert("L"))[:HEIGHT][360], return_counts=True)[1][0] == 201


@pytest.mark.parametrize(
    "whole",
    [
        picture(over=(5,)),
        picture(over=(200, 360)),
        picture(labelled=(False, True)).crop((0, 0, 400, HEIGHT)),
        Image.new("RGB", SIZE, "white").quantize(4),
    ],
    ids=["title of both", "label in the gutter", "one panel", "no axes"],
)
def test_what_cannot_be_parted_stays(panels, whole: Image.Image) -> None:
    assert panels.panels(whole) == []


def test_no_figure_of_the_book_loses_ink(site: Path) -> None:
    stacks = sorted((site / "_images").glob("*-stacked.png"))
    assert len(stacks) >= 60  # in both modes
    for path in stacks:
        shown = []
        for place in (path, path.with_name(path.name.replace("-stacked", ""))):
            with Image.open(place) as image:
                shown.append(int((np.asarray(image) != image.getpixel((0, 0))).sum()))
        assert shown[0] >= shown[1], path.name
