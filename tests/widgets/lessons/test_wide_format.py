"""The lesson on the wide format: ranks, counts and colours are those of the package's model."""

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import PathPatch, Rectangle

import mlteach as mt
from mlteach.widgets.lessons.wide_format import (
    GROUPS,
    LEFTS,
    SIDES,
    TOPS,
    VARIABLES,
    WIDGET,
    labels,
    requirement,
    sample,
)

#: Coordinates are sums and quotients of a few numbers.
ROUNDING = 1e-9
PLACES = [(2, 4, 8, "one group"), (1, 2, 32, "two, all equal"), (3, 5, 26, "two, within free")]
PLACES += [(2, 3, 14, "two, all free"), (3, 2, 10, "two, all free")]
AT = pytest.mark.parametrize(("p", "n", "clusters", "groups"), PLACES)


def panel(p, n, clusters, groups):
    return WIDGET.panel(p=p, n=n, clusters=clusters, groups=groups)


def fills(ax, kind):
    """Patches of one kind, in the order in which they were drawn."""
    return [patch for patch in ax.patches if type(patch) is kind]


def pattern(ax, group, number, columns):
    """Colour and mark of each entry of the drawn matrix, as numbers of a kind, and all kinds."""
    x, y, side = LEFTS[group], TOPS[number], SIDES[number]
    cell, found = side / columns, np.full((columns, columns), -1)
    kinds = []
    dots = {tuple(np.round(at, 6)) for line in ax.lines for at in line.get_xydata()}
    for patch in fills(ax, PathPatch):
        for square in patch.get_path().vertices.reshape(-1, 5, 2):
            column, row = (square[0] - (x, y)) / cell
            if not (-0.1 < column < columns and -0.1 < row < columns):
                continue
            dot = tuple(np.round(square[0] + cell / 2, 6)) in dots
            kind = (patch.get_facecolor(), dot)
            kinds += [] if kind in kinds else [kind]
            found[round(row), round(column)] = kinds.index(kind)
    return found, kinds


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("clusters", WIDGET.controls[2].values)
@pytest.mark.parametrize("p", [1, 2, 3])
def test_rank_is_that_of_as_many_rows(p, clusters, groups):
    """Rows less one, or columns if these are fewer; counted here by the singular values."""
    for n in WIDGET.controls[1].values:
        columns, rows, enough, rank = requirement(p, n, clusters, groups)
        assert (columns, rows) == (p * n, clusters // groups)
        assert rank == min(columns, rows - 1)
        assert enough == (rank == columns)
        data = sample(p, n, clusters, groups).query("group == 1")
        wide = mt.to_wide(data, VARIABLES[:p], cluster="cluster").to_numpy()
        centred = wide - wide.mean(axis=0)
        assert (np.linalg.svd(centred, compute_uv=False) > 1e-10).sum() == rank


@AT
def test_readouts_count(p, n, clusters, groups):
    number, within, between = GROUPS[groups]
    shown = panel(p, n, clusters, groups).readouts
    assert shown["columns, p·n"] == str(p * n)
    assert shown["rows of a group"] == str(clusters // number)
    each, columns = p * (p + 1) // 2, p * n
    left = each * ((number if within == "free" else 1) + (number if between == "free" else 1))
    assert shown["(co)variances in the model"] == (
        f"{left} for {number * columns * (columns + 1) // 2}"
    )


@AT
def test_the_fitted_model_has_as_many_parameters(p, n, clusters, groups):
    number, within, between = GROUPS[groups]
    data = sample(p, n, clusters, number)
    fit = mt.fit_multigroup(
        VARIABLES[:p], data, cluster="cluster", group="group", within=within, between=between
    )
    counted = len({label for group in labels(p, groups) for label in group.values()})
    assert fit.n_parameters == counted + p * number


@AT
def test_entries_of_one_look_are_equal_in_the_implied_matrix(p, n, clusters, groups):
    """Drawn kinds and the values that a fit of the model implies cut the matrix in the same way."""
    number, within, between = GROUPS[groups]
    data = sample(p, n, clusters, number)
    fit = mt.fit_multigroup(
        VARIABLES[:p], data, cluster="cluster", group="group", within=within, between=between
    )
    ax = panel(p, n, clusters, groups).figure.axes[1]
    implied = [np.asarray(fit.implied(k + 1, n=n)) for k in range(number)]
    looks = [pattern(ax, k, number, p * n) for k in range(number)]
    for (found, kinds), matrix in zip(looks, implied, strict=True):
        assert (found >= 0).all()
        values = {kind: np.round(matrix[found == kind], 9) for kind in range(len(kinds))}
        assert all(np.ptp(v) == 0 for v in values.values())
        assert len({v[0] for v in values.values()}) == len(kinds) == p * (p + 1)
    for row, column in np.ndindex(p * n, p * n):
        same = len({kinds[found[row, column]] for found, kinds in looks}) == 1
        assert same == (np.ptp([matrix[row, column] for matrix in implied]) < ROUNDING)


def test_colours_are_those_of_the_chapter():
    """Two variables and three members, as in the chapter's figure."""
    (ax,) = mt.diagrams.covariance_pattern(["x1", "x2"], 3)
    theirs = {tuple(np.round(np.subtract(box.get_xy(), -0.5), 6)): box for box in ax.patches}
    found, kinds = pattern(panel(2, 3, 14, "one group").figure.axes[1], 0, 1, 6)
    hue = {}
    for (column, row), box in theirs.items():
        kind = kinds[found[round(row), round(column)]][0][:3]
        hue.setdefault(kind, set()).add(np.argsort(box.get_facecolor()[:3]).tobytes())
    assert len(hue) == 3
    assert all(len(order) == 1 for order in hue.values())
    assert to_rgba("#0072B2")[:3] in hue


def test_bars_are_filled_as_far_as_the_rank():
    ax = panel(2, 4, 14, "two, within free").figure.axes[1]
    frame, filled, *_ = (bar.get_width() for bar in fills(ax, Rectangle))
    assert filled / frame == pytest.approx(6 / 8)
    assert [text.get_text() for text in ax.texts].count("rank 6 of 8") == 2


@AT
def test_the_table_has_its_rows_and_columns(p, n, clusters, groups):
    left = panel(p, n, clusters, groups).figure.axes[0]
    boxes = [patch.get_path().vertices.reshape(-1, 5, 2) for patch in fills(left, PathPatch)]
    assert [len(box) for box in boxes] == [n] * p
    corners = np.concatenate(boxes).reshape(-1, 2)
    assert corners[:, 1].max() == clusters <= left.get_ylim()[0]
    assert np.ceil(corners[:, 0].max()) == p * n


def test_the_question_has_an_answer():
    """Eight columns take nine rows, and nine in each group; only members add nothing else."""
    assert WIDGET.panel().readouts["rank of its matrix"] == "7, 8 needed"
    enough = {g: [requirement(2, 4, c, g)[2] for c in range(8, 33, 2)] for g in (1, 2)}
    assert enough[1] == [c >= 10 for c in range(8, 33, 2)]
    assert enough[2] == [c >= 18 for c in range(8, 33, 2)]
    assert {10, 18} <= set(WIDGET.controls[2].values)
    model = "(co)variances in the model"
    counts = [panel(2, n, 8, "one group").readouts[model].split()[0] for n in range(2, 6)]
    assert set(counts) == {"6"}
    assert panel(3, 4, 8, "one group").readouts[model].startswith("12 ")
    assert panel(2, 4, 8, "two, within free").readouts[model].startswith("9 ")
