"""The parameters of a multigroup model as they stand in a picture: symbol, colour, hatch.

sigma is a (co)variance within clusters, tau one between clusters. A parameter that a group has for
itself carries the number of the group and, from the second group on, a hatch; without either it is
equal in all groups. The pair of variables decides the colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlteach.core.arguments import whole
from mlteach.diagrams.base import OKABE_ITO, tint
from mlteach.errors import ModelError
from mlteach.multigroup.lavaan import parameter_labels
from mlteach.multigroup.model import multigroup_model

MOST_VARIABLES = 3  # six pairs, as many colours as all eyes tell apart
HATCHES = ("", "///", "...", "xx")


@dataclass(frozen=True)
class Parameters:
    """What is equal to what in the groups of a model.

    Attributes
    ----------
    variables, groups : tuple
    n : int
        Members of a cluster.
    labels : list of dict
        For each group, the label of each parameter; equal labels are equal parameters.
    """

    variables: tuple[str, ...]
    groups: tuple
    n: int
    labels: list[dict]

    @property
    def p(self) -> int:
        """Number of variables."""
        return len(self.variables)

    def is_own(self, level: str, a: int, b: int) -> bool:
        """Whether groups have this element of Within or Between for themselves.

        Variables and groups are counted from 0, in all methods.
        """
        left, right = self.variables[min(a, b)], self.variables[max(a, b)]
        return len({labels[level, left, right, None] for labels in self.labels}) > 1

    def symbol(self, group: int, level: str, a: int, b: int) -> str:
        """LaTeX of an element, without dollar signs."""
        letter = {"within": r"\sigma", "between": r"\tau"}[level]
        own = f"({group + 1})" if self.is_own(level, a, b) else ""
        if self.p == 1:
            return f"{letter}^{{2{own}}}"
        index = f"_{{{min(a, b) + 1}{max(a, b) + 1}}}"
        return f"{letter}{index}^{{{own}}}" if own else f"{letter}{index}"

    def hatch(self, group: int, level: str, a: int, b: int) -> str:
        """Mark of a parameter that this group has for itself; none for the first group."""
        return HATCHES[group] if self.is_own(level, a, b) else ""

    def color(self, a: int, b: int, share: float) -> np.ndarray:
        """Colour of a pair of variables, mixed with white."""
        pairs = [(k, k) for k in range(self.p)] + list(combinations(range(self.p), 2))
        return tint(OKABE_ITO[pairs.index((min(a, b), max(a, b)))], share)


def parameters_of(
    variables: str | Sequence[str], n: int, groups: Sequence | None, **restrictions
) -> Parameters:
    """Settle which parameters are equal; restrictions are those of the multigroup model.

    Raises
    ------
    ModelError
        More variables or groups than there are colours or hatches; fewer than one member.
    """
    variables = (variables,) if isinstance(variables, str) else tuple(variables)
    groups = ("all",) if groups is None else tuple(groups)
    if not 1 <= len(variables) <= MOST_VARIABLES or not 1 <= len(groups) <= len(HATCHES):
        raise ModelError(
            f"The picture has colours for 1 to {MOST_VARIABLES} variables and hatches for 1 to "
            f"{len(HATCHES)} groups; got {len(variables)} and {len(groups)}."
        )
    n = whole("n", n, least=1)
    model = multigroup_model(variables, groups, **restrictions)
    return Parameters(variables, groups, n, parameter_labels(model))
