"""The wide table of variables, members, clusters and groups, and the covariances of its columns.

The table has a row a cluster and p·n columns. What the two-level model says of their covariance
matrix is a pattern of equal entries, which the package's model and its labels define. What a sample
can say of it is its rank, which is counted in the matrix of drawn data.
"""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np
import pandas as pd
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path

from mlteach.core.palette import PALETTE
from mlteach.multigroup.lavaan import parameter_labels
from mlteach.multigroup.model import multigroup_model
from mlteach.multigroup.wide_moments import wide_moments
from mlteach.multigroup.wide_requirement import wide_requirement
from mlteach.widgets.lesson import Drawn, Lesson

LESSON = Lesson.beside(__file__)

SEED = 13
VARIABLES = ("x1", "x2", "x3")
#: Number of groups, and what is equal in them within and between clusters.
KINDS = ((1, "equal", "equal"), (2, "equal", "equal"), (2, "free", "equal"), (2, "free", "free"))
GROUPS = dict(zip(LESSON.options("groups"), KINDS, strict=True))
#: The pairs of variables, in the colours of the chapter's figures.
COLOURS = {
    (0, 0): "blue",
    (1, 1): "orange",
    (0, 1): "green",
    (2, 2): "purple",
    (0, 2): "sky",
    (1, 2): "vermillion",
}
#: Of an entry that holds between-cluster (co)variance only.
PALE = 0.4
#: In the right picture: the matrices' left sides, top and size by number of groups.
LEFTS, TOPS, SIDES = (0.0, 21.0), {1: 3.0, 2: 5.4}, {1: 22.0, 2: 18.5}


def sample(p: int, n: int, clusters: int, groups: int) -> pd.DataFrame:
    """Draw a table with one row a member, of variables that share something in each cluster."""
    rng = np.random.default_rng([SEED, p, n, clusters, groups])
    cluster = np.repeat(np.arange(clusters), n)
    u, e = rng.standard_normal((clusters, p)), rng.standard_normal((clusters * n, p))
    table = pd.DataFrame(0.5 * u[cluster] + e, columns=VARIABLES[:p])
    return table.assign(cluster=cluster, group=1 + cluster * groups // clusters)


@cache
def requirement(p: int, n: int, clusters: int, groups: int) -> tuple[int, int, bool, int]:
    """Columns, rows of a group, whether these are enough, and rank of the covariance matrix.

    The first group stands for both: they have the same number of clusters.
    """
    data, variables = sample(p, n, clusters, groups), VARIABLES[:p]
    need = wide_requirement(data, variables, cluster="cluster", group="group").loc[1]
    S = wide_moments(data, variables, cluster="cluster", group="group")[1].cov
    rank = np.linalg.matrix_rank(S.to_numpy())
    return int(need["columns"]), int(need["rows"]), bool(need["enough"]), int(rank)


@cache
def labels(p: int, groups: str) -> tuple[dict, ...]:
    """For each group, the label of an element by (level, a, b); equal labels, equal parameters."""
    number, within, between = GROUPS[groups]
    names = VARIABLES[:p]
    model = multigroup_model(names, tuple(range(number)), within=within, between=between)
    return tuple(
        {
            (level, names.index(left), names.index(right)): label
            for (level, left, right, _), label in group.items()
            if level != "mean"
        }
        for group in parameter_labels(model)
    )


def draw(left, right, p: int, n: int, clusters: int, groups: str) -> Drawn:
    """Draw the wide table beside the pattern of the covariance matrix of its columns."""
    number = GROUPS[groups][0]
    columns, rows, enough, rank = requirement(p, n, clusters, number)
    left_over = len({label for group in labels(p, groups) for label in group.values()})
    entries = number * columns * (columns + 1) // 2

    _draw_table(left, p, n, clusters, number)
    for k in range(number):
        _draw_rank(right, k, number, rank, columns)
        _draw_pattern(right, p, n, k, groups)
    _write_key(right, number)
    whose = "one group" if number == 1 else f"each of two groups ({groups.split(', ')[1]})"
    return enough and number > 1 and columns == 8, dict(
        columns=columns, rows=rows, rank=rank, left_over=left_over, entries=entries, whose=whose,
        full="full" if enough else f"{columns} needed", no="" if enough else "not ",
        s="s" * (p > 1),
    )  # fmt: skip


def squares(corners: list[tuple[float, float]], width: float, height: float) -> Path:
    """Many boxes as one path, which is one element in the file of a figure."""
    box = Path.unit_rectangle()
    vertices = np.array(corners)[:, None] + box.vertices * (width, height)
    return Path(vertices.reshape(-1, 2), np.tile(box.codes, len(corners)))


def _draw_table(ax, p: int, n: int, clusters: int, number: int) -> None:
    for a in range(p):
        path = squares([(i * p + a, 0) for i in range(n)], 0.9, clusters)
        ax.add_artist(PathPatch(path, color=PALETTE[COLOURS[a, a]], lw=0))
        ax.text(15.4 + 3.7 * a, 31.5, VARIABLES[a], color=PALETTE[COLOURS[a, a]])
    ax.hlines(range(1, clusters), 0, p * n, color="white", lw=0.8)
    ax.vlines([i * p for i in range(1, n)], 0, clusters, color="white", lw=2)
    rows = clusters // number
    for k in range(number):
        ax.text(p * n + 0.7, (k + 0.5) * rows, f"{rows} rows", va="center")
    if number > 1:
        ax.hlines(rows, -0.6, p * n + 0.6, color=PALETTE["black"], lw=2.4)


def _draw_pattern(ax, p: int, n: int, group: int, groups: str) -> None:
    """Entries of one colour and strength are equal; a dot marks what only this group has."""
    own, number = labels(p, groups), GROUPS[groups][0]
    x, y, side = LEFTS[group], TOPS[number], SIDES[number]
    cell = side / (p * n)
    for (a, b), is_same in product([pair for pair in COLOURS if max(pair) < p], (True, False)):
        at = cell * np.array(places(p, n, a, b, is_same)) + (x, y)
        alpha = 1 if is_same else PALE
        path = squares(at, cell, cell)
        ax.add_artist(PathPatch(path, color=PALETTE[COLOURS[a, b]], alpha=alpha, lw=0))
        levels = ("within", "between") if is_same else ("between",)
        if group and any(own[0][level, a, b] != own[group][level, a, b] for level in levels):
            ax.plot(*(at + cell / 2).T, "o", ms=1.2 + 0.9 * cell, mew=0, color=PALETTE["black"])
    cuts = side * np.arange(1, n) / n
    ax.hlines(y + cuts, x, x + side, color="white", lw=2.4)
    ax.vlines(x + cuts, y, y + side, color="white", lw=2.4)


def places(p: int, n: int, a: int, b: int, is_same: bool) -> list[tuple[int, int]]:
    """Columns and rows of the covariances of variables a and b, of one member or of two."""
    return [
        (j * p + column, i * p + row)
        for i, j in product(range(n), repeat=2)
        if (i == j) == is_same
        for row, column in sorted({(a, b), (b, a)})
    ]


def _draw_rank(ax, group: int, number: int, rank: int, columns: int) -> None:
    """A bar as wide as the matrix, filled as far as its rank goes."""
    x, top, side = LEFTS[group], TOPS[number], SIDES[number]
    if number > 1:
        ax.text(x, top - 3.6, f"group {group + 1}")
    weight = "normal" if rank == columns else "bold"
    ax.text(x, top - 1.0, f"rank {rank} of {columns}", weight=weight)
    for width, fill in ((side, "none"), (side * rank / columns, PALETTE["grey"])):
        at = (x, top + side + 0.9)
        ax.add_artist(Rectangle(at, width, 1.4, fc=fill, ec=PALETTE["grey"], lw=1.4))


def _write_key(ax, number: int) -> None:
    ax.text(0, 30.2, "strong: within + between")
    ax.text(0, 32.7, "pale: between")
    ax.text(0, 35.2, "dot: of group 2 alone" if number > 1 else "")
    ax.spines[:].set_visible(False)


WIDGET = LESSON.widget(draw)
