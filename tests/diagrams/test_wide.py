"""Pictures of the wide format: one colour and hatch a parameter, and nothing that overlaps."""

from itertools import product

import numpy as np
import pytest
from matplotlib.colors import to_hex

from mlteach.diagrams import covariance_pattern, format_diagram
from mlteach.diagrams.base import INK
from mlteach.diagrams.parameters import parameters_of
from mlteach.diagrams.paths import FULL, PALE
from mlteach.errors import ModelError
from tests.diagrams.test_diagrams import CONTRAST, contrast

FREE_EQUAL = ("free", "equal")


def look_of(ax):
    """What a reader sees of each entry of a covariance matrix: row and column -> colour, hatch."""
    return {
        (round(box.get_y() + 0.5), round(box.get_x() + 0.5)): (
            to_hex(box.get_facecolor()),
            box.get_hatch() or "",
        )
        for box in ax.patches
    }


def texts_of(ax):
    """Return the text of each entry by row and column."""
    return {
        (round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts
    }


@pytest.mark.parametrize("hypothesis", list(product(FREE_EQUAL, FREE_EQUAL)))
@pytest.mark.parametrize("p", [1, 2, 3])
def test_entries_look_alike_if_and_only_if_they_are_the_same_parameter(p, hypothesis):
    within, between = hypothesis
    variables = ["x", "y", "z"][:p]
    axes = covariance_pattern(variables, 2, ("a", "b"), within=within, between=between)
    looks = {(k, *at): look for k, ax in enumerate(axes) for at, look in look_of(ax).items()}
    assert len(looks) == 2 * (2 * p) ** 2

    def parameter(k, row, column):
        pair = frozenset((row % p, column % p))
        is_diagonal_block = row // p == column // p
        own_w = k if within == "free" and is_diagonal_block else None
        return pair, is_diagonal_block, own_w, k if between == "free" else None

    keys = {at: parameter(*at) for at in looks}
    for one, other in product(looks, looks):
        assert (keys[one] == keys[other]) == (looks[one] == looks[other])


def test_symbols_of_one_variable():
    (ax,) = covariance_pattern("y", 2)
    total, tau2 = "$\\sigma^{2}$\n$+\\tau^{2}$", "$\\tau^{2}$"
    assert texts_of(ax) == {(0, 0): total, (0, 1): tau2, (1, 0): tau2, (1, 1): total}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["y_1", "y_2"]


def test_symbols_of_two_variables_in_two_groups():
    _, ax = covariance_pattern(["x1", "x2"], 2, ("a", "b"), equal="within.x1~~x2")
    texts = texts_of(ax)
    assert texts[0, 0] == "$\\sigma_{11}^{(2)}$\n$+\\tau_{11}$"
    assert texts[0, 1] == texts[1, 0] == "$\\sigma_{12}$\n$+\\tau_{12}$"
    assert texts[0, 3] == texts[3, 0] == texts[2, 1] == "$\\tau_{12}$"
    assert ax.get_title() == "b"


def test_a_large_matrix_is_an_image_with_the_same_colours():
    axes = covariance_pattern(["x1", "x2"], 30, ("a", "b"))
    first, second = (ax.images[0].get_array() for ax in axes)
    assert first.shape == (60, 60, 3)
    small = look_of(covariance_pattern(["x1", "x2"], 2)[0])
    for at, there in {(0, 0): (4, 4), (0, 1): (2, 3), (1, 3): (1, 59)}.items():
        assert to_hex(first[there]) == small[at][0]
    is_same = np.all(first == second, axis=2)
    # Between is equal, so only the blocks of members with themselves differ.
    np.testing.assert_array_equal(~is_same, np.kron(np.eye(30), np.ones((2, 2))) == 1)


@pytest.mark.parametrize("pair", [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize("share", [FULL, PALE])
def test_symbols_are_readable_on_every_colour(pair, share):
    parameters = parameters_of(["x", "y", "z"], 2, None, within="free", between="equal", equal=())
    assert contrast(INK, parameters.color(*pair, share)) > CONTRAST


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("n", [2, 3])
def test_a_path_diagram_has_a_box_a_column_and_a_label_a_parameter(p, n):
    variables = ["x1", "x2", "x3"][:p]
    for ax in format_diagram("multigroup", variables, n)[:, 2]:
        texts = [t.get_text() for t in ax.texts]
        assert {f"{x}_{i}" for x in variables for i in range(1, n + 1)} < set(texts)
        pairs = p * (p + 1) // 2
        assert sum("tau" in text for text in texts) == pairs
        assert sum("sigma" in text for text in texts) == n * pairs
        arrows = [a for a in ax.patches if type(a).__name__ == "FancyArrowPatch"]
        assert len(arrows) == p * n + (1 + n) * pairs


@pytest.mark.parametrize("p", [1, 2, 3])
def test_labels_of_a_path_diagram_do_not_overlap(p):
    for ax in format_diagram("multigroup", ["x1", "x2", "x3"][:p])[:, 2]:
        ax.figure.draw_without_rendering()
        # A pixel of a box is the air round its letters; how much, depends on matplotlib's version.
        boxes = [t.get_window_extent().padded(-1) for t in ax.texts]
        assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])
        inside = ax.get_window_extent()
        assert all(
            inside.x0 <= box.x0
            and box.x1 <= inside.x1
            and inside.y0 <= box.y0
            and box.y1 <= inside.y1
            for box in boxes
        )


def test_the_three_formats():
    (long,) = format_diagram("long")
    assert {"cluster", "member", "x1", "x2", "$x_{1A1}$", "$x_{2B2}$"} <= {
        t.get_text() for t in long[0].texts
    }
    assert [ax.get_title() for ax in long] == ["data", "covariance matrix", "model"]
    (wide,) = format_diagram("wide", n=3)
    assert {"x1_3", "$x_{2B3}$"} <= {t.get_text() for t in wide[0].texts}
    (one,) = format_diagram("wide", "y")
    assert {"$y_{A1}$", "$y_{B2}$"} <= {t.get_text() for t in one[0].texts}
    groups = format_diagram("multigroup", groups=("ALB", "IRL"))
    for name, row in zip(("ALB", "IRL"), groups, strict=True):
        assert name in {t.get_text() for t in row[0].texts}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"variables": list("abcd")}, "1 to 3 variables"),
        ({"groups": list("abcde")}, "1 to 4 groups"),
        ({"n": 0}, "not a whole number of 1 or more"),
        ({"n": 1.5}, "not a whole number"),
        ({"within": "same"}, "not known"),
        ({"equal": "between.x~~q"}, "names q"),
    ],
)
def test_a_picture_that_cannot_be_drawn(arguments, message):
    request = {"variables": ["x", "y"], "n": 2} | arguments
    with pytest.raises(ModelError, match=message):
        covariance_pattern(**request)


def test_an_unknown_format_is_refused():
    with pytest.raises(ModelError, match="choose 'long', 'wide' or 'multigroup'"):
        format_diagram("tall")
