"""The formula of :func:`mlteach.fit_centering` taken apart: what is split, and what stays.

Level-1 predictors must be plain numeric columns, because a part of a product or of a function is
not the product or function of the parts; level-2 predictors may be anything a formula can say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mlteach.centering.center import varies_between_clusters
from mlteach.core.arguments import refuse_others
from mlteach.core.columns import category, kind_of, table_with
from mlteach.core.design import columns_of, complete_in
from mlteach.core.formula import fixed_only, with_random, written
from mlteach.core.part import Part, read_part
from mlteach.errors import DataWarning, FormulaError, ModelError, warn

#: What of a level-1 predictor x stands in each of the five models.
MODELS = {
    "smushed": ("{}",),
    "within": ("{}_within",),
    "between": ("{}_between",),
    "within_between": ("{}_within", "{}_between"),
    "contextual": ("{}", "{}_between"),
}


@dataclass(frozen=True)
class CenteringFormula:
    """The parts of the formula.

    Attributes
    ----------
    outcome, cluster : str
        The outcome as written in the formula.
    predictors : tuple of str
        Level-1 predictors, to be split.
    level2 : tuple of str
        Level-2 terms, left as they are.
    columns : tuple of str
        All columns the models use.
    slopes : tuple of str
        Level-1 predictors whose slope varies.
    """

    outcome: str
    predictors: tuple[str, ...]
    level2: tuple[str, ...]
    columns: tuple[str, ...]
    cluster: str
    slopes: tuple[str, ...]

    def formula(self, name: str) -> str:
        """Formula of one of the five models."""
        terms = [written(part.format(x)) for part in MODELS[name] for x in self.predictors]
        varying = () if name == "between" else self.slopes
        slopes = [written(MODELS[name][0].format(x)) for x in varying]
        fixed = f"{self.outcome} ~ {' + '.join([*terms, *self.level2])}"
        return with_random(fixed, self.cluster, slopes)


def centering_formula(
    text: str, data: pd.DataFrame, cluster: str, slopes: list[str]
) -> CenteringFormula:
    """Read a formula, and tell its level-1 from its level-2 predictors.

    Raises
    ------
    FormulaError, DataError, ModelError
    """
    model = fixed_only(text)
    part = read_part(text, model.fixed, data)
    terms = list(part.formula)
    if "1" not in map(str, terms):
        raise FormulaError(
            f"'{text}' has no intercept; within and between effects need one. Leave out '0 +'."
        )
    columns = tuple(dict.fromkeys([*sorted(columns_of(model, data)), cluster]))
    table_with(data, columns, f"the formula '{text}'")
    predictors, level2 = _by_level(part, data, cluster)
    if not predictors:
        raise ModelError(
            f"'{text}' has no predictor that varies within '{cluster}': there is nothing to "
            "split. Level-2 predictors have a between effect only; use fit_mixed."
        )
    what = f"in slopes is not among the level-1 predictors of '{text}'"
    refuse_others(slopes, predictors, what, "They are", FormulaError)
    return CenteringFormula(
        model.left, tuple(predictors), tuple(level2), columns, cluster, tuple(slopes)
    )


def _by_level(part: Part, data, cluster: str) -> tuple[list[str], list[str]]:
    """Level-1 predictors (plain columns) and level-2 terms, in the order of the formula."""
    predictors, level2 = [], []
    for term in part.formula:
        if str(term) == "1":
            continue
        varying = [name for name in sorted(part.columns_of(term)) if _varies(data, name, cluster)]
        if not varying:
            level2.append(part.shown(term, in_formula=True))
        elif part.shown(term) == varying[0]:
            predictors.append(varying[0])
        else:
            raise FormulaError(
                f"'{part.shown(term)}' uses the level-1 predictor '{varying[0]}' inside a product "
                "or a function, which has no within and between part of its own. Make a numeric "
                "column of it first, or use mt.center and fit_mixed."
            )
    return predictors, level2


def _varies(data, column: str, cluster: str) -> bool:
    pairs = data[[column, cluster]].dropna().drop_duplicates()
    return bool(pairs[cluster].duplicated().any())


def complete_rows(spec: CenteringFormula, data: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Rows with a value in every column that any of the models uses, and a note on the others."""
    rows, note = complete_in(data, spec.columns)
    notes = [f"{note} Cluster means are of the rows used."] if note else []
    for text in notes:
        warn(text, DataWarning)
    return rows[list(spec.columns)], notes


def with_dummies(
    spec: CenteringFormula, rows: pd.DataFrame
) -> tuple[CenteringFormula, pd.DataFrame]:
    """Put a dummy for each category but the first in place of a level-1 predictor that is one.

    The mean of a dummy in a cluster is the share of the category there.
    """
    parts: dict[str, list[str]] = {}
    for x in spec.predictors:
        parts[x] = [x]
        if kind_of(rows[x], x) == "text":
            values = pd.Categorical(category(rows[x]))
            parts[x] = [f"{x}[T.{level}]" for level in values.categories[1:]]
            rows = rows.assign(
                **{name: (values.codes == k).astype(float) for k, name in enumerate(parts[x], 1)}
            )
    predictors = tuple(name for x in spec.predictors for name in parts[x])
    slopes = tuple(name for x in spec.slopes for name in parts[x])
    return replace(spec, predictors=predictors, slopes=slopes), rows


def check_between(spec: CenteringFormula, rows: pd.DataFrame) -> None:
    """Refuse predictors whose cluster means do not differ, or are in the formula already.

    Raises
    ------
    ModelError
    """
    for x in spec.predictors:
        if not varies_between_clusters(rows[x].to_numpy(float), rows[f"{x}_between"].to_numpy()):
            raise ModelError(
                f"'{x}' has the same mean in every {spec.cluster} (is it centered within clusters "
                "already?): its slope is a within effect, and there is no other to compare it with."
            )
        for term in spec.level2:
            if term in rows and _same_up_to_constant(rows[term], rows[f"{x}_between"]):
                raise ModelError(
                    f"'{term}' is the {spec.cluster} mean of '{x}', which fit_centering adds by "
                    f"itself: leave '{term}' out of the formula."
                )


def _same_up_to_constant(a, b) -> bool:
    if not pd.api.types.is_numeric_dtype(a.dtype):
        return False
    difference = a.to_numpy(float) - b.to_numpy(float)
    return float(np.ptp(difference)) <= 1e-9 * float(np.ptp(b))
