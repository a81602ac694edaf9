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
    *,
    labelled: tuple[bool, ...] = (True, True),
    over: tuple[int, ...] = (),
    below: tuple[int, ...] = (),
) -> Image.Image:
    """Two axes with ticks, and labels left of them; text over the gutter in some rows.

    Labels of 320 pixels, wider than the axes, stand below from some columns on.
    """
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
    for x in below:
        pen.rectangle((x, 360, x + 320, 380), "black")
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


def test_each_panel_keeps_its_own_wide_label(panels) -> None:
    """The first label reaches below what stands left of the second axes."""
    whole = picture(below=(60, 460))
    stack = panels.stacked(whole, panels.panels(whole))
    assert stack.width < 0.6 * WIDTH
    assert ink(stack) == ink(whole)


def test_a_label_of_all_may_stand_where_a_tick_would(panels) -> None:
    """Below the foot nothing is compared: there are no ticks of the axis that is shared."""
    whole = picture(labelled=(True, False), over=(360,))
    assert len(panels.panels(whole)) == 2


def test_what_stands_on_the_foot_of_axes_hides_no_panel(panels) -> None:
    whole = picture().convert("RGB")
    for left in LEFT:
        ImageDraw.Draw(whole).rectangle((left + 20, FOOT - 8, left + 34, FOOT + 8), "black")
    whole = whole.quantize(16, dither=0)
    stack = panels.stacked(whole, panels.panels(whole))
    assert ink(stack) == ink(whole)


@pytest.mark.parametrize(
    "whole",
    [
        picture(over=(5,)),
        picture(over=(200, 360)),
        picture(below=(140, 510)),
        picture(labelled=(False, True)).crop((0, 0, 400, HEIGHT)),
        Image.new("RGB", SIZE, "white").quantize(4),
    ],
    ids=["title of both", "label in the gutter", "label askew", "one panel", "no axes"],
)
def test_what_cannot_be_parted_stays(panels, whole: Image.Image) -> None:
    assert panels.panels(whole) == []


def test_no_figure_of_the_book_loses_ink(site: Path) -> None:
    stacks = sorted((site / "_images").glob("*-stacked.png"))
    assert len(stacks) >= 76  # in both modes
    for path in stacks:
        shown = []
        for place in (path, path.with_name(path.name.replace("-stacked", ""))):
            with Image.open(place) as image:
                shown.append(int((np.asarray(image) != image.getpixel((0, 0))).sum()))
        assert shown[0] >= shown[1], path.name
