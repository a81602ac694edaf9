"""Whether a model gives one slope to a predictor that has two: within clusters and between them.

A level-1 predictor whose cluster means differ by more than sampling carries a level-2 predictor
inside it. Entered as it is, its slope is a weighted ("smushed") mean of the two effects, unless
its cluster means are in the model as well; a random slope of it mixes the levels in any case
(Hoffman & Walters 2022, doi:10.1146/annurev-psych-020821-103525).
"""

from __future__ import annotations

from itertools import chain

import numpy as np

from mlteach.core.columns import first_rows
from mlteach.core.design import Design, varies_within
from mlteach.core.distributions import f_sf
from mlteach.core.notes import listed

# Cluster means must differ at this level of significance before a predictor counts as two.
SIGNIFICANCE = 0.001
# Cluster means of which the level-2 predictors leave no more than this share are in the model.
LEFT_OVER = 0.05


def smushed_predictors(d: Design) -> tuple[list[str], list[str]]:
    """Names of the predictors that enter unsplit: as a fixed effect, and as a random slope only.

    Products are passed over: they are smushed if one of their factors is.
    """
    within = varies_within(d)
    level2 = d.X[first_rows(d.codes)][:, ~within]
    fixed = [
        name
        for name, x, own, varies in zip(d.x_names, d.X.T, d.x_coded.factors, within, strict=True)
        if varies and len(own) == 1 and _unsplit(x, d.codes, level2)
    ]
    nothing = np.zeros((len(d.labels), 0))
    random = [
        name
        for name, z, own in zip(d.z_names, d.Z.T, d.z_factors, strict=True)
        if len(own) == 1 and name not in fixed and _unsplit(z, d.codes, nothing)
    ]
    return fixed, random


def _unsplit(x: np.ndarray, codes: np.ndarray, level2: np.ndarray) -> bool:
    """Whether x differs between clusters, and its means are no combination of level-2 columns."""
    n = np.bincount(codes)
    means = np.bincount(codes, weights=x - x.mean()) / n
    between = float(n @ means**2)
    deviation = x - x.mean() - means[codes]
    within = float(deviation @ deviation)
    df1, df2 = len(n) - 1, len(x) - len(n)
    if within <= 1e-20 * between or df1 < 1:
        return False
    if f_sf(between / df1 / (within / df2), df1, df2) > SIGNIFICANCE:
        return False
    root = np.sqrt(n)
    beta = np.linalg.lstsq(level2 * root[:, None], means * root, rcond=None)[0]
    return float(n @ (means - level2 @ beta) ** 2) > LEFT_OVER * between


def smushed_note(*designs: Design) -> str:
    """One sentence on the predictors that enter one of the functions unsplit, or empty."""
    found = [smushed_predictors(d) for d in designs]
    fixed, random = (list(dict.fromkeys(chain(*own))) for own in zip(*found, strict=True))
    cluster, many = designs[0].formula.cluster, len(fixed) > 1
    if not fixed and not random:
        return ""
    names = listed(f"'{name}'" for name in fixed or random)
    if fixed:
        text = (
            f"{names} {'differ' if many else 'differs'} within and between the clusters "
            f"({cluster}) but {'have one slope each' if many else 'has one slope'}, a blend of "
            "two effects ('smushed')"
        )
    else:
        text = (
            f"The random slope of {names}, which differs within and between the clusters "
            f"({cluster}), has a variance that blends two levels ('smushed')"
        )
    # mt.center takes columns; an expression such as np.log(x) has to become one first.
    as_columns = "" if all(name.isidentifier() for name in [*fixed, *random]) else " as columns"
    return (
        f"{text}; split {'them' if many else 'it'} with mt.center{as_columns}, or silence this "
        "note with smushed_note=False."
    )
