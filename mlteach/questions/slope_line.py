"""The slope of a predictor as a contrast of the coefficients, and as a line in its moderator.

The contrast is what a row of X gains when x rises by one and all else stays, evaluated with the
model's own coding: categories, transformations and several moderators need no rule of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from mlteach.core.arguments import refuse_others
from mlteach.core.coded import Coded
from mlteach.core.columns import first_rows
from mlteach.core.design import Design, categories, varies_within
from mlteach.core.summary import format_number
from mlteach.errors import ModelError, shown
from mlteach.mixed.result import MixedResult

# A second difference this small beside the first is rounding.
STRAIGHT = 1e-8
# Any three equally spaced values show whether an effect is a straight line; zero is avoided
# because a logarithm has no value there.
PROBES = (1.0, 2.0, 3.0)


@dataclass(frozen=True)
class SlopeLine:
    """The slope of ``x`` as its moderator ``by`` changes, other moderators held.

    Attributes
    ----------
    fit : MixedResult
    x, by : str
        Columns of the data.
    hold : dict
        Values of other moderators of x, as asked for.
    """

    fit: MixedResult
    x: str
    by: str
    hold: dict[str, object]

    def __post_init__(self) -> None:
        """Refuse a question that the model has no answer to."""
        formula = self.fit.formula
        predictors = self._coded.part.columns
        for role, name in (("x", self.x), ("by", self.by)):
            refuse_others([name], predictors, f"as {role} is no predictor of '{formula}'", "It has")
        if categories(self.fit.design, self.x):
            raise ModelError(
                f"'{self.x}' is a category and has no slope. Give the numeric predictor as x, and "
                "the category as by."
            )
        found = ", ".join(sorted(self._moderators)) or "none"
        if self.by == self.x:
            raise ModelError(
                f"x and by are both '{self.x}': by is the predictor that changes the slope of the "
                f"other one. Moderators of '{self.x}': {found}."
            )
        if self.by not in self._moderators:
            raise ModelError(
                f"'{self.x}' and '{self.by}' do not interact in '{formula}': the slope is the same "
                f"at every value. Fit '{self.x} * {self.by}'. Moderators of '{self.x}': {found}."
            )
        what = f"in hold= is no other moderator of '{self.x}'"
        refuse_others(self.hold, self._others, what, "The others are")

    # ------------------------------------------------------------------------------- contrasts

    def contrasts(self, values: Sequence) -> np.ndarray:
        """Contrasts whose product with beta is the slope of x at values of the moderator, (r, p).

        Raises
        ------
        ModelError
            If a value is no number or no known category, or the effect of x is a curve.
        """
        values = [self._checked(self.by, value) for value in values]
        if not values:
            raise ModelError(f"at= is empty; give at least one value of '{self.by}'.")
        places, columns = self._evaluated(
            self._terms_with(self.x), PROBES * len(values), np.repeat(np.array(values), len(PROBES))
        )
        low, middle, high = columns.reshape(len(values), len(PROBES), -1).transpose(1, 0, 2)
        if not _straight(low, middle, high):
            raise ModelError(
                f"The effect of '{self.x}' in '{self.fit.formula}' is a curve, so there is no one "
                "slope at a value of the moderator."
            )
        C = np.zeros((len(values), len(self.fit.params)))
        C[:, places] = middle - low
        return C

    def predictions(self, x: Sequence[float], value: object) -> np.ndarray:
        """Contrasts that predict the outcome along x at one value of the moderator, (r, p).

        Terms without x and its moderators stand at their mean over the rows.
        """
        terms = self._terms_with(self.x, self.by, *self._others)
        places, columns = self._evaluated(
            terms, x, np.repeat(self._checked(self.by, value), len(x))
        )
        C = np.tile(self.fit.design.X.mean(axis=0), (len(x), 1))
        C[:, places] = columns
        return C

    def straight(self) -> tuple[np.ndarray, np.ndarray]:
        """Contrasts c0 and c1 such that ``c0 + m c1`` gives the slope at m, each of shape (p,).

        Raises
        ------
        ModelError
            If the moderator is a category or moves the slope along a curve.
        """
        if categories(self.fit.design, self.by):
            raise ModelError(
                f"'{self.by}' is a category, so there are no bounds along it; simple_slopes(fit, "
                f"'{self.x}', by='{self.by}') gives the slope of each."
            )
        seen = self.observed(self.by)
        ends = np.linspace(seen.min(), seen.max(), len(PROBES))
        low, middle, high = self.contrasts(ends.tolist())
        if not _straight(low, middle, high):
            raise ModelError(
                f"'{self.by}' changes the slope of '{self.x}' along a curve; the bounds are for a "
                "straight line. Look at simple_slopes(..., at=[...]) over a grid of values."
            )
        c1 = (high - low) / (ends[-1] - ends[0])
        return low - ends[0] * c1, c1

    def _evaluated(self, terms: list, x: Sequence, by: Sequence) -> tuple[list[int], np.ndarray]:
        """Positions in beta of the columns of some terms, and their values, shape (rows, k)."""
        rows = pd.DataFrame({self.x: x, self.by: by})
        for name in sorted(self._columns_of(terms) - {self.x, self.by}):
            rows[name] = self._value(name)
        some = self._coded.subset(terms)
        return [self.fit.design.x_names.index(name) for name in some.names], some.evaluate(rows)

    # ------------------------------------------------------------------------------ moderators

    def _terms_with(self, *names: str) -> list:
        """Terms of the fixed part in which some predictors take part."""
        return [t for t in self._coded.terms if self._coded.columns_of(t) & set(names)]

    def _columns_of(self, terms: list) -> set[str]:
        return set().union(*(self._coded.columns_of(term) for term in terms))

    @property
    def _coded(self) -> Coded:
        return self.fit.design.x_coded

    @cached_property
    def _moderators(self) -> set[str]:
        return self._columns_of(self._terms_with(self.x)) - {self.x}

    @property
    def _others(self) -> list[str]:
        return sorted(self._moderators - {self.by})

    @cached_property
    def held(self) -> dict[str, object]:
        """Value of each other moderator of x."""
        return {name: self._value(name) for name in self._others}

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the other moderators are held, in words."""
        return tuple(
            f"{name} is held at {_said(value)}{self._why(name)}."
            for name, value in self.held.items()
        )

    def _why(self, name: str) -> str:
        if name in self.hold:
            return ""
        if categories(self.fit.design, name):
            return ", its reference category"
        return f", its mean over {self.unit(name)}"

    def _value(self, name: str) -> object:
        """Where a predictor is held: as asked for, else its reference category or its mean."""
        if name in self.hold:
            return self._checked(name, self.hold[name])
        levels = categories(self.fit.design, name)
        return levels[0] if levels else _mean(self.observed(name))

    def _checked(self, name: str, value: object) -> object:
        """A value that this column of the data could hold."""
        levels = categories(self.fit.design, name)
        if levels and value not in levels:
            known = ", ".join(map(shown, levels))
            raise ModelError(f"'{name}' has no category {shown(value)}. It has: {known}.")
        if levels:
            return value
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise ModelError(f"'{name}' is numeric; {shown(value)} is not a finite number.")
        return number

    def default_values(self) -> list:
        """Categories, both of two values, or the mean and one SD to both sides of it."""
        levels = categories(self.fit.design, self.by)
        if levels:
            return levels
        seen = self.observed(self.by)
        different = np.unique(seen)
        if len(different) == 2:
            return different.tolist()
        return (_mean(seen) + seen.std(ddof=1) * np.array([-1.0, 0.0, 1.0])).tolist()

    def observed(self, name: str) -> np.ndarray:
        """Values of a numeric predictor: one a cluster if it is constant in each, else one a row.

        Raises
        ------
        ModelError
            If the model has no column with these values.
        """
        d = self.fit.design
        if name not in d.x_names:
            say = "simple_slopes(..., at=[...])" if name == self.by else f"hold={{'{name}': ...}}"
            raise ModelError(
                f"'{name}' has no column of its own in '{self.fit.formula}', so its mean and range "
                f"are not known. Say where to look: {say}."
            )
        column = d.X[:, d.x_names.index(name)]
        return column if self.unit(name) == "rows" else column[first_rows(d.codes)]

    def unit(self, name: str) -> str:
        """Whether a predictor is a property of "clusters" or of "rows"."""
        d = self.fit.design
        return "rows" if varies_within(d)[d.x_names.index(name)] else "clusters"


def _mean(values: np.ndarray) -> float:
    """The mean; exactly zero where it is only the rounding of a centred column."""
    mean = float(values.mean())
    return mean if abs(mean) > 1e-12 * np.abs(values).max() else 0.0


def _straight(low: np.ndarray, middle: np.ndarray, high: np.ndarray) -> bool:
    """Whether three equally spaced rows of columns lie on straight lines."""
    bend = np.abs(high - 2.0 * middle + low).max()
    return bool(bend <= STRAIGHT * np.abs(np.stack([low, middle, high])).max())


def _said(value: object) -> str:
    if not isinstance(value, float):
        return shown(value)
    return f"{value:.0f}" if value.is_integer() else format_number(value)


def columns_with(design: Design, x: str) -> tuple[list[int], list[int]]:
    """Columns of X and columns of Z that a predictor takes part in."""
    starts = np.cumsum([0, *(len(part.names) for part in design.z_coded)])
    in_z = [
        int(start) + k
        for start, part in zip(starts, design.z_coded, strict=False)
        for k in _places(part, x)
    ]
    return _places(design.x_coded, x), in_z


def _places(part: Coded, x: str) -> list[int]:
    return [k for term, at in part.terms.items() if x in part.columns_of(term) for k in at]
