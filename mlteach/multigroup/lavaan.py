"""The multigroup model in the words of R's lavaan, for the wide format and for two levels.

In wide format the model is a confirmatory factor analysis: the between part of a variable is a
factor with loadings of 1 on the columns of all members, the within part is their residuals. Two
columns of different members share nothing but their factors. Every parameter has a label, and equal
labels are equal parameters; nothing is left to lavaan's defaults, so that ``sem``, ``cfa`` and
``lavaan`` fit the same model (Rosseel 2012, doi:10.18637/jss.v048.i02).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mlteach.core.arguments import checked, one_of
from mlteach.errors import ModelError, shown
from mlteach.multigroup.model import MultigroupModel, elements, multigroup_model

# What lavaan reads as one name; a first dot would pass too, a first digit or underscore not.
_NAME = re.compile(r"[^\W\d_][\w.]*")
_SUFFIX = re.compile(r"[\w.]+")
# R's own words, which cannot name a variable.
_RESERVED = re.compile(
    "if|else|repeat|while|function|for|next|break|in|TRUE|FALSE|NULL|Inf|NaN|NA|NA_integer_|"
    "NA_real_|NA_character_|NA_complex_"
)


@checked
def lavaan_syntax(
    variables: str | Sequence[str],
    n: int | Sequence[str] | None = None,
    groups: str | Sequence[str] | None = ("g1", "g2"),
    *,
    within: str = "free",
    between: str = "equal",
    means: str = "free",
    equal: str | Sequence[str] = (),
    form: str = "wide",
    position: bool = False,
) -> str:
    """Write the model of :func:`mlteach.fit_multigroup` as lavaan syntax.

    Parameters
    ----------
    variables : str or sequence of str
        The p variables.
    n : int or sequence of str, optional
        Members of a cluster, or the names of their positions; columns are called as
        :func:`mlteach.to_wide` calls them. For the wide form only.
    groups : sequence or None, default ("g1", "g2")
        Groups in lavaan's order: that of their first appearance in the data, unless
        ``group.label=`` says otherwise. None or one group: a model without groups.
    within, between, means : {"free", "equal"}
        Across groups. Here as in the fit, between is equal by default, the others are free.
    equal : sequence of str, default ()
        Single parameters that are equal across groups, such as ``"between.x1~~x2"``.
    form : {"wide", "two-level"}, default "wide"
        For wide data, or for long data with ``cluster=``.
    position : bool, default False
        Whether means and within (co)variances differ between positions. For the wide form only.

    Returns
    -------
    str

    Raises
    ------
    ModelError
        An unknown setting; names that lavaan cannot read; members missing in the wide form or
        named in the two-level form.

    Examples
    --------
    >>> print(lavaan_syntax("y", n=2, groups=None))
    # fit with sem(model, data = wide)
    # between clusters
    u_y =~ 1*y_1 + 1*y_2
    u_y ~~ B.y.y*u_y
    # within clusters
    y_1 ~~ W.y.y*y_1
    y_2 ~~ W.y.y*y_2
    # means
    y_1 ~ 0*1
    y_2 ~ 0*1
    u_y ~ M.y*1

    >>> print(lavaan_syntax("y", groups=None, form="two-level"))
    # fit with sem(model, data = long, cluster = "cluster")
    level: 1
    y ~~ W.y.y*y
    level: 2
    y ~~ B.y.y*y
    y ~ M.y*1
    """
    variables = (variables,) if isinstance(variables, str) else tuple(variables)
    groups = ("all",) if groups is None else (groups,) if isinstance(groups, str) else tuple(groups)
    one_of("form", form, ("wide", "two-level"))
    members = _members(n, form, position)
    _check_names(variables, groups, members)
    settings = {"within": within, "between": between, "means": means, "equal": equal}
    model = multigroup_model(variables, groups, members if position else (), **settings)
    labels = parameter_labels(model)
    lines = _wide(variables, members, labels, position) if form == "wide" else _two_level(labels)
    return "\n".join([_call(groups, form), *lines])


def parameter_labels(model: MultigroupModel) -> list[dict[tuple, str]]:
    """For each group, the label of every parameter by (level, left, right, position).

    Equal labels are equal parameters. A parameter that differs between groups carries the number
    of its group at the end, one that differs between positions the name of the position.
    """
    labels = []
    for level, left, right, position, group in model.keys:
        number = "" if group is None else f"g{model.groups.index(group) + 1}"
        second = "" if level == "mean" else right
        at = "" if position is None else str(position)
        parts = (level[0].upper(), left, second, at, number)
        labels.append(".".join(part for part in parts if part))
    if len(set(labels)) < len(labels):
        raise ModelError(
            "Two parameters would have the same label; take the dots out of the names."
        )
    own = list(elements(model.variables, model.positions))
    return [dict(zip(own, (labels[k] for k in index), strict=True)) for index in model.index]


def _wide(variables, members, labels, position: bool) -> list[str]:
    def modifier(*key) -> str:
        own = [group[key] for group in labels]
        return own[0] if len(own) == 1 else f"c({', '.join(own)})"

    pairs = [(a, b) for k, b in enumerate(variables) for a in variables[: k + 1]]
    lines = ["# between clusters"]
    lines += [f"u_{x} =~ " + " + ".join(f"1*{x}_{i}" for i in members) for x in variables]
    lines += [f"u_{a} ~~ {modifier('between', a, b, None)}*u_{b}" for a, b in pairs]
    lines.append("# within clusters")
    for i in members:
        at = i if position else None
        lines += [f"{a}_{i} ~~ {modifier('within', a, b, at)}*{b}_{i}" for a, b in pairs]
    lines.append("# means")
    for i in members:
        for x in variables:
            lines.append(f"{x}_{i} ~ {modifier('mean', x, x, i) if position else 0}*1")
    return lines + [
        f"u_{x} ~ {0 if position else modifier('mean', x, x, None)}*1" for x in variables
    ]


def _two_level(labels) -> list[str]:
    lines = []
    for k, group in enumerate(labels, start=1):
        lines += [f"group: {k}"] if len(labels) > 1 else []
        for level, kind in ((1, "within"), (2, "between")):
            lines.append(f"level: {level}")
            lines += [
                f"{a} ~~ {text}*{b}" for (part, a, b, _), text in group.items() if part == kind
            ]
        lines += [f"{x} ~ {text}*1" for (part, x, *_), text in group.items() if part == "mean"]
    return lines


def _call(groups: tuple, form: str) -> str:
    arguments = ["data = wide" if form == "wide" else 'data = long, cluster = "cluster"']
    if len(groups) > 1:
        order = ", ".join(f'"{group}"' for group in groups)
        arguments.append(f'group = "group", group.label = c({order})')
    return f"# fit with sem(model, {', '.join(arguments)})"


# ----------------------------------------------------------------------------------------- checks


def _members(n, form: str, position: bool) -> tuple:
    """Names of the members, as they stand behind the underscore of a column."""
    if form == "two-level":
        if n is not None or position:
            raise ModelError(
                "The two-level form has no columns for members, so it takes neither n nor "
                'position; use form="wide".'
            )
        return ()
    if n is None:
        raise ModelError("The wide form needs n: how many members, or the names of the positions.")
    if isinstance(n, Iterable):
        n = tuple(map(str, n))
        _check_distinct("n", n)
        return n
    if n < 2:
        raise ModelError(
            f"n={n!r} is not a number of members, 2, 3, 4, ... (one member a cluster cannot tell "
            "the variance within from that between)."
        )
    return tuple(str(i) for i in range(1, n + 1))


def _check_distinct(argument: str, names: tuple) -> None:
    if not names or len(set(names)) < len(names):
        raise ModelError(f"{argument}={names!r}: name at least one, and none of them twice.")


def _check_names(variables: tuple, groups: tuple, members: tuple) -> None:
    _check_distinct("variables", variables)
    _check_distinct("groups", groups)
    for name in variables:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or _RESERVED.fullmatch(name):
            raise ModelError(
                f"lavaan cannot read the name {shown(name)}: it takes letters, digits, dots and "
                "underscores, a letter first, and no word that R keeps for itself. Rename the "
                "column."
            )
    odd = [i for i in members if not _SUFFIX.fullmatch(i)]
    if odd:
        raise ModelError(
            f"lavaan cannot read the position {odd[0]!r}; use letters, digits, dots, underscores."
        )
    columns = [f"{x}_{i}" for x in variables for i in members]
    factors = [f"u_{x}" for x in variables] if members else []
    if len({*columns, *factors}) < len(columns) + len(factors):
        raise ModelError(
            "Two columns, or a column and a factor u_..., would have the same name; rename a "
            "variable."
        )
    if any('"' in str(group) or "\n" in str(group) for group in groups):
        raise ModelError("The name of a group has a quotation mark or a new line in it; rename it.")
