"""Long, wide and multigroup format side by side: data matrix, covariance matrix, path diagram.

The covariance matrix of a cluster's columns has one block for each pair of members. Blocks on the
diagonal hold Within + Between, all others Between; entries of one colour and hatch are equal. The
idea of the three panels is that of Walther, Hecht, Nagengast & Zitzmann, who introduced the
multigroup model in wide format.
"""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from mlteach.core.arguments import checked, one_of
from mlteach.diagrams.base import write
from mlteach.diagrams.parameters import Parameters, parameters_of
from mlteach.diagrams.paths import FULL, PALE, draw_paths, draw_two_levels

# Columns up to which entries carry their symbols, and columns their names.
MOST_WRITTEN = 8
DARKER = 0.72
UNITS = ("group", "cluster", "member")
FORMS = ("long", "wide", "multigroup")


@checked
def covariance_pattern(
    variables: str | Sequence[str],
    n: int,
    groups: Sequence | None = None,
    *,
    within: str = "free",
    between: str = "equal",
    equal: str | Sequence[str] = (),
) -> np.ndarray:
    r"""Draw which entries of the wide covariance matrix are equal.

    Parameters
    ----------
    variables : str or sequence of str
        One to three variables.
    n : int
        Members of a cluster.
    groups : sequence, optional
        Up to four groups; by default one without a name.
    within, between : {"free", "equal"}
        Across groups, as in :func:`mlteach.fit_multigroup`.
    equal : sequence of str, default ()
        Single parameters that are equal across groups.

    Returns
    -------
    ndarray of Axes, shape (number of groups,)
        In one new figure.

    Raises
    ------
    ModelError
        If there are more variables or groups than the picture has colours for.

    Examples
    --------
    >>> (ax,) = covariance_pattern("y", 3)
    >>> sorted({text.get_text() for text in ax.texts})
    ['$\\sigma^{2}$\n$+\\tau^{2}$', '$\\tau^{2}$']
    """
    parameters = parameters_of(variables, n, groups, within=within, between=between, equal=equal)
    K = len(parameters.groups)
    size = float(np.clip(0.62 * parameters.p * parameters.n, 2.6, 3.6))
    _, axes = plt.subplots(1, K, figsize=(size * K, size), squeeze=False, layout="constrained")
    for k, ax in enumerate(axes[0]):
        _draw_covariance(ax, parameters, k)
        if K > 1:
            ax.set_title(str(parameters.groups[k]), fontsize=11)
    return axes[0]


@checked
def format_diagram(
    form: str,
    variables: str | Sequence[str] = ("x1", "x2"),
    n: int = 2,
    groups: Sequence = ("group 1", "group 2"),
    *,
    within: str = "free",
    between: str = "equal",
    equal: str | Sequence[str] = (),
) -> np.ndarray:
    """Draw one format in three panels: data matrix, covariance matrix, model.

    Parameters
    ----------
    form : {"long", "wide", "multigroup"}
        A row a member and two levels; a row a cluster and one level; the same with groups, which
        get a row of panels each.
    variables, n, within, between, equal
        As in :func:`covariance_pattern`.
    groups : sequence, default two groups
        For the multigroup form.

    Returns
    -------
    ndarray of Axes, shape (rows, 3)
        In one new figure.

    Raises
    ------
    ModelError
        If the form is unknown; else as :func:`covariance_pattern`.

    Examples
    --------
    >>> format_diagram("long").shape, format_diagram("multigroup").shape
    ((1, 3), (2, 3))
    """
    one_of("form", form, FORMS)
    groups = groups if form == "multigroup" else None
    parameters = parameters_of(variables, n, groups, within=within, between=between, equal=equal)
    K = len(parameters.groups)
    shape = {"figsize": (9.2, 3.1 * K), "width_ratios": [1.0, 0.95, 1.15]}
    _, axes = plt.subplots(K, 3, squeeze=False, layout="constrained", **shape)
    for k, (data, matrix, model) in enumerate(axes):
        if form == "long":
            _draw_data(data, *_long_rows(parameters))
            _draw_two_matrices(matrix, parameters)
            draw_two_levels(model, parameters)
        else:
            _draw_data(data, *_wide_rows(parameters, k))
            _draw_covariance(matrix, parameters, k)
            draw_paths(model, parameters, k)
    for ax, title in zip(axes[0], ("data", "covariance matrix", "model"), strict=True):
        ax.set_title(title, fontsize=11)
    return axes


# -------------------------------------------------------------------------------- data matrices


def _long_rows(parameters: Parameters) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the data matrix of two clusters, A and B."""
    rows = [
        [cluster, str(i), *_values(parameters, cluster, i)]
        for cluster in "AB"
        for i in range(1, parameters.n + 1)
    ]
    return ["cluster", "member", *parameters.variables], rows


def _wide_rows(parameters: Parameters, group: int) -> tuple[list[str], list[list[str]]]:
    """Header and rows of the wide data matrix of two clusters of a group."""
    names = "ABCDEFGH"[2 * group : 2 * group + 2]
    members = range(1, parameters.n + 1)
    rows = [[c] + [v for i in members for v in _values(parameters, c, i)] for c in names]
    header = ["cluster"] + [f"{x}_{i}" for i in members for x in parameters.variables]
    if len(parameters.groups) > 1:
        header = ["group", *header]
        rows = [[str(parameters.groups[group]), *row] for row in rows]
    return header, rows


def _values(parameters: Parameters, cluster: str, member: int) -> list[str]:
    if parameters.p == 1:
        (name,) = parameters.variables
        letter = name if len(name) == 1 else "x"
        return [f"${letter}_{{{cluster}{member}}}$"]
    return [f"$x_{{{k + 1}{cluster}{member}}}$" for k in range(parameters.p)]


def _draw_data(ax: Axes, header: list[str], rows: list[list[str]]) -> None:
    """A table with a shaded head; the columns of units in grey."""
    widths = np.array([max(len(name), 4) + 1.6 for name in header])
    widths += 3.0 * np.array([name == "group" for name in header])
    edges = np.concatenate([[0.0], np.cumsum(widths)])
    for r, row in enumerate([header, *rows]):
        for c, text in enumerate(row):
            is_unit = header[c] in UNITS
            fill = "#E4E4E4" if r == 0 else "#F6F6F6" if is_unit else "white"
            box = Rectangle((edges[c], -r - 1), widths[c], 1, facecolor=fill, edgecolor="#BBBBBB")
            ax.add_patch(box)
            write(ax, edges[c] + widths[c] / 2, -r - 0.5, text, 8.5)
    ax.set(xlim=(-0.2, edges[-1] + 0.2), ylim=(-max(len(rows) + 1, 6) - 0.2, 0.2))
    ax.set_axis_off()


# -------------------------------------------------------------------------- covariance matrices


def _draw_covariance(ax: Axes, parameters: Parameters, group: int) -> None:
    """The covariance matrix of all columns of a cluster."""
    p, n = parameters.p, parameters.n
    if p * n > MOST_WRITTEN:
        _draw_many(ax, parameters, group)
        return
    for row, column in np.ndindex(p * n, p * n):
        (i, a), (j, b) = divmod(row, p), divmod(column, p)
        levels = ("within", "between") if i == j else ("between",)
        _draw_entry(ax, parameters, group, levels, (column, row), (a, b))
    _draw_frame(ax, p * n)
    for i in range(1, n):
        ax.axhline(i * p - 0.5, color="white", linewidth=3.0, zorder=3)
        ax.axvline(i * p - 0.5, color="white", linewidth=3.0, zorder=3)
    names = [f"{x}_{i + 1}" for i in range(n) for x in parameters.variables]
    ax.set_xticks(range(p * n), names, fontsize=8.5)
    ax.set_yticks(range(p * n), names, fontsize=8.5)


def _draw_many(ax: Axes, parameters: Parameters, group: int) -> None:
    """A matrix too large for symbols and hatches: what a later group has for itself is darker."""
    p, n = parameters.p, parameters.n
    blocks = {}
    for levels in (("between",), ("within", "between")):
        block = np.zeros((p, p, 3))
        for a, b in np.ndindex(p, p):
            own = group > 0 and any(parameters.is_own(level, a, b) for level in levels)
            color = parameters.color(a, b, FULL if "within" in levels else PALE)
            block[a, b] = color * (DARKER if own else 1.0)
        blocks[len(levels)] = block
    image = np.tile(blocks[1], (n, n, 1))
    for i in range(n):
        image[i * p : (i + 1) * p, i * p : (i + 1) * p] = blocks[2]
    ax.imshow(image, interpolation="none")
    _draw_frame(ax, p * n)
    ax.set(xticks=[], yticks=[])
    variables = f"{p} variable{'s' if p > 1 else ''}"
    ax.set_xlabel(f"{p * n} columns: {variables} of {n} members", fontsize=9)


def _draw_two_matrices(ax: Axes, parameters: Parameters) -> None:
    """Between above, Within below: the long format has a matrix for each level."""
    p = parameters.p
    for level, top in (("between", 0.0), ("within", p + 1.0)):
        for a, b in np.ndindex(p, p):
            _draw_entry(ax, parameters, 0, (level,), (b, top + a), (a, b))
        ax.text(-0.8, top + (p - 1) / 2, f"{level}\nclusters", ha="right", va="center", fontsize=9)
        for k, name in enumerate(parameters.variables):
            ax.text(k, top - 0.72, name, ha="center", va="center", fontsize=8.5)
    ax.set(xlim=(-2.2, p - 0.3), ylim=(2 * p + 0.8, -1.1), aspect="equal")
    ax.set_axis_off()


def _draw_entry(ax, parameters, group: int, levels, at, pair) -> None:
    """One square: its colour says which parameters, its hatch whether they are of this group."""
    share = FULL if "within" in levels else PALE
    fill = parameters.color(*pair, share)
    marks = [parameters.hatch(group, level, *pair) for level in levels]
    box = Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, facecolor=fill, linewidth=0)
    box.set(hatch=max(marks, key=len), edgecolor="white")
    ax.add_patch(box)
    symbols = [parameters.symbol(group, level, *pair) for level in levels]
    text = "\n".join(f"${'+' if k else ''}{s}$" for k, s in enumerate(symbols))
    back = {"facecolor": fill, "edgecolor": "none", "pad": 0.4} if any(marks) else None
    write(ax, *at, text, 9, bbox=back)


def _draw_frame(ax: Axes, size: int) -> None:
    ax.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), aspect="equal")
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
