"""Which (co)variances and means of a multigroup model are free, and which are equal across groups.

Every group has means, a Within and a Between matrix. A free parameter stands for one element of one
group, or for the same element in all groups. With positions (pre, post, ...) means and Within are
those of a position. Names read like the model: ``within.x1~~x2[ALB]`` is an element of one group,
``between.x1~~x2`` one that all groups share, ``mean.x1@post[ALB]`` the mean at one position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import one_of
from mlteach.core.columns import names_of
from mlteach.errors import ModelError

_ENTRY = re.compile(r"^\s*(mean|within|between)\s*\.\s*(.+?)\s*$")


@dataclass(frozen=True)
class MultigroupModel:
    """The free parameters, and where they stand in each group.

    Attributes
    ----------
    title : str
        The settings in words, such as "within free, between equal, means free".
    variables, groups : tuple
    positions : tuple
        Labels of the positions; empty without.
    keys : tuple
        For each free parameter (level, left, right, position, group): position None without
        positions, group None where it is equal in all groups.
    index : tuple of ndarray of int
        For each group, the free parameter behind each of its own parameters, in the order of
        :class:`~mlteach.multigroup.deviance.GroupDeviance`.
    """

    title: str
    variables: tuple
    groups: tuple
    positions: tuple
    keys: tuple
    index: tuple[np.ndarray, ...]

    @property
    def names(self) -> list[str]:
        """Names of the free parameters."""
        return [_name(*key) for key in self.keys]

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a free parameter, by name; columns level, left, right, (position,) group."""
        columns = ["level", "left", "right", "position", "group"]
        table = pd.DataFrame(list(self.keys), columns=columns, index=self.names, dtype=object)
        table.loc[table["level"] == "mean", "right"] = ""
        table["group"] = ["all" if group is None else group for *_, group in self.keys]
        table["position"] = ["" if at is None else at for *_, at, _ in self.keys]
        return table if self.positions else table.drop(columns="position")


def multigroup_model(
    variables: Sequence[str],
    groups: Sequence,
    positions: Sequence = (),
    *,
    within: str = "free",
    between: str = "equal",
    means: str = "free",
    equal: Sequence[str] = (),
) -> MultigroupModel:
    """Name and number the free parameters.

    Parameters
    ----------
    variables, groups : sequence
    positions : sequence, default ()
    within, between, means : {"free", "equal"}
        Whether all of that kind differ between groups or are equal.
    equal : sequence of str, default ()
        Single parameters that are equal across groups, such as ``"between.x1~~x2"``, ``"mean.x1"``.

    Returns
    -------
    MultigroupModel

    Raises
    ------
    ModelError
        If a setting or an entry of ``equal`` is unknown.
    """
    kinds = {"mean": means, "within": within, "between": between}
    for name, value in kinds.items():
        one_of("means" if name == "mean" else name, value, ("free", "equal"), " across groups")
    equal = names_of(equal, "equal")
    shared = {_entry(text, variables) for text in equal}

    def free(key: tuple, group) -> tuple:
        """The free parameter behind an element of a group: its key, and the group or None."""
        level, left, right, _ = key
        same = kinds[level] == "equal" or (level, frozenset((left, right))) in shared
        return (*key, None if same or len(groups) == 1 else group)

    own = list(elements(variables, positions))
    order = (free(k, group) for kind in kinds for group in groups for k in own if k[0] == kind)
    number = {key: at for at, key in enumerate(dict.fromkeys(order))}
    index = [np.array([number[free(key, group)] for key in own]) for group in groups]
    title = f"within {within}, between {between}, means {means}"
    title += "".join(f", {text} equal" for text in equal) + (", by position" if positions else "")
    names = (tuple(variables), tuple(groups), tuple(positions))
    return MultigroupModel(title, *names, tuple(number), tuple(index))


def elements(variables: Sequence[str], positions: Sequence):
    """Level, left, right and position of all parameters of one group, in their order."""
    cells = tuple(positions) or (None,)
    pairs = [(a, b) for k, a in enumerate(variables) for b in variables[: k + 1]]
    for cell in cells:
        yield from (("mean", v, v, cell) for v in variables)
    for cell in cells:
        yield from (("within", b, a, cell) for a, b in pairs)
    yield from (("between", b, a, None) for a, b in pairs)


def _name(level: str, left: str, right: str, position, group) -> str:
    what = left if level == "mean" else f"{left}~~{right}"
    at = "" if position is None else f"@{position}"
    return f"{level}.{what}{at}" + ("" if group is None else f"[{group}]")


def _entry(text: str, variables: Sequence[str]) -> tuple[str, frozenset]:
    """Level and variables of an entry such as ``between.x1~~x2``."""
    match = _ENTRY.match(text) if isinstance(text, str) else None
    example = f"between.{variables[0]}~~{variables[-1]}"
    if not match:
        raise ModelError(
            f"equal= does not understand {text!r}: write for example {example!r}, or "
            f"'mean.{variables[0]}' (levels: within, between, mean)."
        )
    level, rest = match.groups()
    names = [name.strip() for name in rest.split("~~")]
    unknown = [name for name in names if name not in variables]
    if unknown:
        raise ModelError(
            f"equal={text!r} names {', '.join(unknown)}, which the model does not have; its "
            f"variables are {', '.join(map(str, variables))}."
        )
    if len(names) != (1 if level == "mean" else 2):
        raise ModelError(
            f"equal={text!r}: a mean has one variable ('mean.{variables[0]}'), a variance or "
            f"covariance two ({example!r}; a variance is 'within.x~~x')."
        )
    return level, frozenset(names)
