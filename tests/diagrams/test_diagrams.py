"""Structures that can be checked by eye: relations, and diagrams that show them readably."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from mlteach.data.shipped import load
from mlteach.diagrams import (
    INK,
    NEUTRAL,
    OKABE_ITO,
    area_map,
    classification_diagram,
    matrix_diagram,
    neighbours,
    network_diagram,
    relations,
    structure_diagram,
    unit_diagram,
)
from mlteach.errors import DataError, MLTeachError

# WCAG 2, level AA, for text of normal size.
CONTRAST = 4.5

NESTED = pd.DataFrame(
    {"school": list("AAAABB"), "class": list("ssttuu"), "pupil": [1, 2, 3, 4, 5, 6]}
)
CROSSED = pd.DataFrame({"school": list("AABB"), "pupil": [1, 2, 3, 4], "area": list("xyyx")})
MEMBERS = pd.DataFrame(
    {"school": list("AABB"), "pupil": [1, 2, 2, 3], "weight": [1.0, 0.25, 0.75, 1.0]}
)
TIES = pd.DataFrame({"sender": list("AABC"), "receiver": list("BCAB"), "tie": [1, 2, 3, 4]})


def relation_of(table, levels):
    rows = relations(table, levels).itertuples(index=False)
    return {(row.finer, row.coarser): row.relation for row in rows}


def written(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def color_of(ax, text):
    """Edge colour of the one unit that shows a text."""
    (found,) = [t for t in ax.texts if t.get_text() == text]
    return to_hex(found.get_bbox_patch().get_edgecolor()).upper()


def contrast(one, other):
    """WCAG contrast ratio of two colours."""

    def luminance(color):
        channel = np.array(to_rgb(color))
        linear = np.where(channel <= 0.04045, channel / 12.92, ((channel + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


# --------------------------------------------------------------------------------------- relations


def test_relations_of_three_nested_levels():
    assert relation_of(NESTED, ["school", "class", "pupil"]) == {
        ("pupil", "class"): "nested",
        ("pupil", "school"): "nested",
        ("class", "school"): "nested",
    }


def test_schools_and_areas_with_shared_pupils_are_crossed():
    assert relation_of(CROSSED, ["school", "pupil", "area"]) == {
        ("pupil", "area"): "nested",
        ("pupil", "school"): "nested",
        ("area", "school"): "crossed",
    }


def test_a_pupil_with_two_schools_has_multiple_membership():
    assert relation_of(MEMBERS, ["school", "pupil"]) == {("pupil", "school"): "multiple"}


def test_the_order_of_rows_does_not_matter():
    shuffled = CROSSED.sample(frac=1.0, random_state=np.random.RandomState(1))
    expected = relations(CROSSED, ["school", "pupil", "area"])
    pd.testing.assert_frame_equal(relations(shuffled, ["school", "pupil", "area"]), expected)


def test_of_two_levels_with_equally_many_units_the_one_named_last_is_finer():
    studies = pd.DataFrame({"study": ["a", "b"], "effect": [1, 2]})
    assert list(relation_of(studies, ["study", "effect"])) == [("effect", "study")]


@pytest.mark.parametrize("name", ["hsb", "london", "language"])
def test_students_of_the_real_data_are_nested_in_schools(name):
    table = load(name).reset_index(names="row")
    assert relation_of(table, ["school", "row"]) == {("row", "school"): "nested"}


def test_class_numbers_that_start_again_in_each_school_look_crossed():
    again = NESTED.assign(number=[1, 1, 2, 2, 1, 1])
    assert relation_of(again, ["school", "number", "pupil"])["number", "school"] == "crossed"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (["school"], "two or more"),
        ("school", "not a list of names"),
        (["school", "school"], "different"),
        (["school", "klass"], "Column 'klass', needed by the structure, .* Did you mean 'class'"),
        (["school", "hole"], "'hole' is missing in 1 of 6 rows"),
    ],
)
@pytest.mark.parametrize(
    "function", [relations, unit_diagram, classification_diagram, structure_diagram]
)
def test_what_is_no_structure_is_refused(function, levels, message):
    table = NESTED.assign(hole=[1, 2, None, 4, 5, 6])
    with pytest.raises(MLTeachError, match=message):
        function(table, levels)


# ----------------------------------------------------------------------------------- unit diagrams


def test_a_unit_diagram_has_a_mark_a_unit_and_a_line_a_membership():
    ax = unit_diagram(NESTED, ["school", "class", "pupil"])
    assert sorted(written(ax)) == sorted([*"AB", *"stu", *"123456"])
    assert len(ax.lines) == 3 + 6
    assert [label.get_text() for label in ax.get_yticklabels()] == ["school", "class", "pupil"]


def test_repeated_rows_draw_one_line():
    twice = pd.concat([NESTED, NESTED])
    assert len(unit_diagram(twice, ["school", "pupil"]).lines) == 6


def test_a_cluster_stands_over_the_middle_of_its_units():
    ax = unit_diagram(NESTED, ["school", "pupil"])
    place = {text.get_text(): text.get_position() for text in ax.texts}
    assert place["A"] == (1.5, 1)
    assert place["B"] == (4.5, 1)
    assert place["4"] == (3.0, 0)


def test_colours_follow_the_cluster_and_shared_units_stay_neutral():
    ax = unit_diagram(MEMBERS, ["school", "pupil"])
    assert color_of(ax, "1") == color_of(ax, "A") == OKABE_ITO[0]
    assert color_of(ax, "3") == color_of(ax, "B") == OKABE_ITO[1]
    assert color_of(ax, "2") == NEUTRAL


def test_a_crossed_level_has_no_colours_of_another():
    one_sided = CROSSED.assign(area=list("xyyy"))
    ax = unit_diagram(one_sided, ["school", "pupil", "area"])
    assert color_of(ax, "x") == color_of(ax, "y") == NEUTRAL


def test_weights_are_written_and_make_the_line_thick():
    ax = unit_diagram(MEMBERS, ["school", "pupil"], weight="weight")
    assert [text for text in written(ax) if "." in text] == ["0.25", "0.75"]
    widths = [line.get_linewidth() for line in ax.lines]
    assert widths[1] < widths[2] < widths[0] == widths[3]


def test_lines_are_solid_whatever_line_styles_are_set():
    with plt.rc_context({"axes.prop_cycle": plt.cycler(linestyle=["--", ":"])}):
        lines = unit_diagram(NESTED, ["school", "pupil"]).lines
        borders = [line for line in area_map(["AB", "AC"]).lines if line.get_color() == "white"]
    assert {line.get_linestyle() for line in [*lines, *borders]} == {"-"}


def test_weights_need_two_levels():
    table = CROSSED.assign(weight=1.0)
    with pytest.raises(DataError, match="two levels"):
        unit_diagram(table, ["school", "pupil", "area"], weight="weight")


def test_labels_may_repeat_where_units_do_not():
    panel = pd.DataFrame({"person": list("PPQQ"), "row": [1, 2, 3, 4], "year": [1, 2, 1, 2]})
    ax = unit_diagram(panel, ["person", "row"], labels={"row": "year"})
    assert sorted(written(ax)) == ["1", "1", "2", "2", "P", "Q"]


@pytest.mark.parametrize(
    ("table", "levels"),
    [
        (NESTED, ["school", "class", "pupil"]),
        (CROSSED, ["school", "pupil", "area"]),
        (CROSSED.rename(columns={"area": "neighbourhood"}), ["school", "pupil", "neighbourhood"]),
        (MEMBERS, ["school", "pupil"]),
        (TIES, ["sender", "tie", "receiver"]),
    ],
)
def test_units_and_boxes_do_not_overlap(table, levels):
    for ax in structure_diagram(table, levels):
        ax.figure.draw_without_rendering()
        boxes = [t.get_bbox_patch().get_window_extent() for t in ax.texts if t.get_text()]
        overlaps = [a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k]]
        assert not any(overlaps)


@pytest.mark.parametrize("color", OKABE_ITO)
def test_text_is_readable_on_every_colour(color):
    table = pd.DataFrame({"school": OKABE_ITO, "pupil": range(len(OKABE_ITO))})
    ax = unit_diagram(table, ["school", "pupil"])
    (unit,) = [t for t in ax.texts if t.get_text() == color]
    assert contrast(INK, unit.get_bbox_patch().get_facecolor()[:3]) > CONTRAST


# -------------------------------------------------------------------------- classification diagrams


def arrows_of(ax):
    """Pairs of boxes that arrows join, by the boxes nearest to their ends."""
    boxes = {t.get_text(): np.array(t.get_position()) for t in ax.texts if t.get_text()}

    def nearest(point):
        return min(boxes, key=lambda name: np.linalg.norm(boxes[name] - point))

    notes = [t for t in ax.texts if not t.get_text()]
    return sorted((nearest(note.get_position()), nearest(note.xy)) for note in notes)


def test_an_arrow_that_follows_from_two_others_is_not_drawn():
    ax = classification_diagram(NESTED, ["school", "class", "pupil"])
    assert arrows_of(ax) == [("class", "school"), ("pupil", "class")]


def test_crossed_classifications_stand_side_by_side_without_an_arrow():
    ax = classification_diagram(CROSSED, ["school", "pupil", "area"])
    assert arrows_of(ax) == [("pupil", "area"), ("pupil", "school")]
    height = {t.get_text(): t.get_position()[1] for t in ax.texts if t.get_text()}
    assert height["school"] == height["area"] > height["pupil"]


def test_multiple_membership_is_a_double_arrow():
    ax = classification_diagram(MEMBERS, ["school", "pupil"])
    assert arrows_of(ax) == [("pupil", "school")] * 2


# ------------------------------------------------------------------------------ maps and networks


def test_areas_that_touch_at_a_corner_only_are_not_neighbours():
    table = neighbours(["AB", "CD"])
    assert ("A", "D") not in set(table[["area", "neighbour"]].itertuples(index=False, name=None))
    assert len(table) == 8


def test_neighbours_are_mutual_and_the_weights_of_an_area_sum_to_one():
    table = neighbours(["AABB", "ACCB", "DDCE"])
    pairs = set(table[["area", "neighbour"]].itertuples(index=False, name=None))
    assert pairs == {(b, a) for a, b in pairs}
    # 1/3 + 1/3 + 1/3 is not exactly 1 in binary arithmetic.
    np.testing.assert_allclose(table.groupby("area")["weight"].sum(), 1.0, rtol=1e-15)


def test_a_map_shows_each_area_and_each_border_pair_once():
    ax = area_map(["AB", "AC"])
    assert written(ax) == ["A", "B", "C"]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert len(dashed) == 3


@pytest.mark.parametrize("rows", [[], [""], ["AB", "A"]])
def test_a_ragged_map_is_refused(rows):
    with pytest.raises(DataError, match="one length"):
        neighbours(rows)


def test_a_network_has_an_arrow_a_tie_and_a_mark_an_actor():
    ax = network_diagram(TIES, "sender", "receiver")
    assert written(ax) == ["A", "B", "C"]
    assert arrows_of(ax) == [("A", "B"), ("A", "C"), ("B", "A"), ("C", "B")]


# ---------------------------------------------------------------------------------------- matrices


def test_a_matrix_shows_its_values_or_the_given_entries():
    table = pd.DataFrame([[2.0, 0.0], [0.0, 2.0]], index=["a", "b"], columns=["a", "b"])
    ax = matrix_diagram(table, digits=2)
    assert written(ax) == ["2.00", "0.00", "0.00", "2.00"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert written(matrix_diagram(table, entries=[["p", "q"], ["r", "s"]])) == list("pqrs")


def test_larger_entries_are_darker_and_the_text_stays_readable():
    (image,) = matrix_diagram(np.array([[0.0, 1.0], [2.0, 4.0]])).images
    rgb = image.cmap(image.norm(np.array([0.0, 1.0, 2.0, 4.0])))[:, :3]
    contrasts = [contrast(INK, color) for color in rgb]
    assert contrasts == sorted(contrasts, reverse=True)
    assert contrasts[-1] > CONTRAST


@pytest.mark.parametrize("values", [[1.0, 2.0], [[-1.0]], [[np.nan]]])
def test_a_matrix_that_cannot_be_shaded_is_refused(values):
    with pytest.raises(DataError, match="not negative"):
        matrix_diagram(np.array(values))
