"""What the slope of a level-1 predictor means: one formula, fitted in every centering at once.

A predictor that varies within and between clusters can have a different effect on each level:

    y_ij = b_0 + within (x_ij - mean_j) + between mean_j + u_j + e_ij

``contextual = between - within`` is what two equal persons differ by when their clusters' means
differ by one. A model with x alone has one slope for both, a weighted ("smushed") mean of the two.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from mlteach.centering.center import center, cluster_means
from mlteach.centering.formula import (
    MODELS,
    CenteringFormula,
    centering_formula,
    check_between,
    complete_rows,
    with_dummies,
)
from mlteach.centering.result import CenteringResult
from mlteach.core.arguments import checked
from mlteach.core.columns import as_table, first_rows, names_of
from mlteach.core.design import Design, varies_within
from mlteach.core.summary import coefficient_table
from mlteach.mixed.fit import deviance_of, fit_mixed
from mlteach.mixed.result import MixedResult
from mlteach.multigroup.latent import LatentRegression, regress_first
from mlteach.multigroup.two_level_normal import fit_two_level_normal

PARTS = ("within", "between", "contextual")
EFFECTS = ("smushed", *PARTS, *(f"latent_{part}" for part in PARTS), "fixed_effects")

NO_EFFECT = ("", np.nan, np.nan)
# The fits whose notes are passed on; a note on all of them is on the rows.
TOLD = ("within_between", "contextual", "smushed")


@checked
def fit_centering(
    formula: str,
    data: pd.DataFrame,
    *,
    cluster: str,
    slopes: str | Sequence[str] | None = (),
    reml: bool = True,
    ddf: str = "satterthwaite",
) -> CenteringResult:
    """Fit a model with its level-1 predictors in every centering, and say what each slope means.

    Parameters
    ----------
    formula : str
        Fixed part, for example ``"math ~ ses"`` or ``"math ~ ses + minority + sector"``. Columns
        that vary within clusters are split, a category as a dummy for each level but the first;
        level-2 predictors stay as they are.
    data : DataFrame
        One row a level-1 unit. All models use the rows without a missing value in any column.
    cluster : str
        Column that says which cluster a row belongs to.
    slopes : sequence of str, optional
        Level-1 predictors whose slope varies over clusters.
    reml : bool, default True
        Restricted maximum likelihood; the latent rows are always by maximum likelihood.
    ddf : str, default "satterthwaite"
        As for :func:`fit_mixed`. Latent rows have z-tests, fixed_effects N - J - k.

    Returns
    -------
    CenteringResult

    Raises
    ------
    FormulaError
        A random part, no intercept, or a level-1 predictor inside a product or a function.
    DataError
        As :func:`fit_mixed` and :func:`center`.
    ModelError
        No level-1 predictor, or one without variation between clusters.

    Examples
    --------
    >>> import mlteach as mt
    >>> ses = mt.fit_centering("math ~ ses", mt.load("hsb"), cluster="school")
    >>> ses.table["estimate"].head(4).round(3).to_dict()
    {'smushed': 2.39, 'within': 2.191, 'between': 5.866, 'contextual': 3.675}

    References
    ----------
    Hoffman & Walters (2022), Annual Review of Psychology 73,
    doi:10.1146/annurev-psych-020821-103525, for the specifications. Raudenbush & Bryk (2002),
    Hierarchical Linear Models, chapter 5, for the weight. Mundlak (1978), Econometrica 46(1),
    doi:10.2307/1913646. Ludtke et al. (2008), Psychological Methods 13(3), doi:10.1037/a0012869.
    """
    data = as_table(data)
    spec = centering_formula(formula, data, cluster, names_of(slopes, "slopes"))
    rows, notes = complete_rows(spec, data)
    spec, rows = with_dummies(spec, rows)
    rows = center(rows, spec.predictors, cluster)
    check_between(spec, rows)
    fits = {
        name: fit_mixed(spec.formula(name), rows, reml=reml, ddf=ddf, smushed_note=False)
        for name in MODELS
    }
    latent = _latent(spec, fits["within_between"])
    contextual = fits["within_between"].test(_between_minus_within(spec))
    return CenteringResult(
        table=_table(spec, fits, contextual.table, latent),
        specifications=_specifications(spec, fits),
        phi=_phi(spec, fits),
        hausman=contextual,
        latent=latent,
        random_slopes=_random_slopes(spec, fits),
        fits=fits,
        data=rows,
        notes=(*notes, *_notes(spec, fits, latent)),
    )


# ---------------------------------------------------------------------------------- the eight rows


def _between_minus_within(spec: CenteringFormula) -> pd.DataFrame:
    """Weights of the coefficients in the contextual effect of each predictor."""
    k = len(spec.predictors)
    columns = [f"{x}_{part}" for part in ("between", "within") for x in spec.predictors]
    return pd.DataFrame(np.eye(k, 2 * k) - np.eye(k, 2 * k, k), columns=columns)


def _places(spec: CenteringFormula, d: Design, part: str) -> list[int]:
    """Columns of X that hold a part of each predictor."""
    return [d.x_names.index(f"{x}_{part}") for x in spec.predictors]


def _table(spec, fits, contextual: pd.DataFrame, latent: LatentRegression) -> pd.DataFrame:
    names, tests = spec.predictors, fits["within_between"].coefficients
    rows = [
        fits["smushed"].coefficients.loc[list(names)],
        *(tests.loc[[f"{x}_{part}" for x in names]] for part in PARTS[:2]),
        contextual,
        *_latent_rows(latent),
        _fixed_effects(spec, fits["within_between"]),
    ]
    stack = np.stack(rows)
    tables = {x: pd.DataFrame(stack[:, k], EFFECTS, tests.columns) for k, x in enumerate(names)}
    return _joined(tables, ["predictor", "effect"])


def _latent_rows(latent: LatentRegression) -> list[np.ndarray]:
    """Rows of the table for each latent part."""
    estimate = np.concatenate([getattr(latent, part) for part in PARTS])
    se = np.concatenate([latent.se[part] for part in PARTS])
    table = coefficient_table(estimate, se, np.where(np.isnan(estimate), np.nan, np.inf))
    return np.split(table.to_numpy(), len(PARTS))


def _joined(tables: dict[str, pd.DataFrame], names: list[str]) -> pd.DataFrame:
    """The tables of the predictors one below the other; that of a single one as it is."""
    return pd.concat(tables, names=names) if len(tables) > 1 else next(iter(tables.values()))


def _fixed_effects(spec: CenteringFormula, fit: MixedResult) -> pd.DataFrame:
    """Least squares with a dummy a cluster: deviations of y on deviations of x (Frisch-Waugh)."""
    d = fit.design
    X = d.X[:, _places(spec, d, "within")]
    y = d.y - cluster_means(d.y, d.codes, len(d.labels))
    scale = np.sqrt((X**2).sum(axis=0))
    to_beta = np.linalg.pinv(X / scale) / scale[:, None]
    beta = to_beta @ y
    df = float(len(y) - len(d.labels) - len(beta))
    se = np.sqrt(((y - X @ beta) ** 2).sum() / df * (to_beta**2).sum(axis=1))
    return coefficient_table(beta, se, df)


def _latent(spec: CenteringFormula, fit: MixedResult) -> LatentRegression:
    """The two-level normal model of outcome and predictors, given the level-2 predictors."""
    d = fit.design
    within, between = _places(spec, d, "within"), _places(spec, d, "between")
    level2 = [k for k in np.flatnonzero(~varies_within(d)) if k not in between]
    W = d.X[np.ix_(first_rows(d.codes), level2)]
    Y = np.column_stack([d.y, d.X[:, within] + d.X[:, between]])
    return regress_first(fit_two_level_normal(Y, W, d.codes, (spec.outcome, *spec.predictors)))


# --------------------------------------------------------------------------------------- the weight


def _phi(spec: CenteringFormula, fits: dict[str, MixedResult]) -> pd.Series:
    """Weight of the within effects in the smushed ones, at the smushed model's variances.

    With M the information on (within, between), smushed is the generalised mean
    ``(M_ww + M_wb + M_bw + M_bb)^-1 [(M_ww + M_bw) within + (M_bb + M_wb) between]``.
    """
    both, smushed = fits["within_between"].design, fits["smushed"]
    own = smushed.design
    split = replace(both, Z=own.Z, z_names=own.z_names, blocks=own.blocks)
    problem = deviance_of(split, smushed.reml)
    scaling = problem.moments.scaling
    T_inv = np.linalg.inv(scaling.T)
    psi = T_inv @ (smushed.tau.to_numpy() / smushed.sigma2) @ T_inv.T
    cov = scaling.cov_beta(problem.state(problem.map.theta_from_psi(psi)).S_inv)
    k = len(spec.predictors)
    at = [*_places(spec, both, "within"), *_places(spec, both, "between")]
    M = np.linalg.inv(cov[np.ix_(at, at)])
    sums = M[:k] + M[k:]
    weight = np.linalg.solve(sums[:, :k] + sums[:, k:], sums[:, :k])
    return pd.Series(np.diag(weight), index=list(spec.predictors), name="phi")


# --------------------------------------------------------------------------------------- the tables


def _specifications(spec: CenteringFormula, fits: dict[str, MixedResult]) -> pd.DataFrame:
    """The table "predictor effect type by model specification", with numbers."""
    layout = {
        ("cluster mean", "level 1 only"): ("within", "within", ""),
        ("cluster mean", "level 2 only"): ("between", "", "between"),
        ("cluster mean", "both"): ("within_between", "within", "between"),
        ("constant", "level 1 only"): ("smushed", "smushed", ""),
        ("constant", "level 2 only"): ("between", "", "between"),
        ("constant", "both"): ("contextual", "within", "contextual"),
    }
    columns = ["level1_effect", "level1", "level1_se", "level2_effect", "level2", "level2_se"]
    index = pd.MultiIndex.from_tuples(layout, names=["centered_at", "in_model"])
    known, tables = {name: (fit.params, fit.bse) for name, fit in fits.items()}, {}
    for x in spec.predictors:
        rows = [
            (*_estimate(known, x, model, 0, effect1), *_estimate(known, x, model, -1, effect2))
            for model, effect1, effect2 in layout.values()
        ]
        tables[x] = pd.DataFrame(rows, index, columns)
    return _joined(tables, ["predictor"])


def _estimate(known, x: str, model: str, place: int, effect: str) -> tuple[str, float, float]:
    """An effect with its standard error, from the coefficient at some place of a model."""
    name = MODELS[model][place].format(x)
    return (effect, *(part[name] for part in known[model])) if effect else NO_EFFECT


def _random_slopes(spec: CenteringFormula, fits: dict[str, MixedResult]) -> pd.DataFrame:
    """Variance components of the random-slope models; one row a model and slope."""
    models = {
        "constant, level 1 only": "smushed",
        "constant, both": "contextual",
        "cluster mean, both": "within_between",
    }
    rows = {}
    for x in spec.slopes:
        for label, name in models.items():
            v, slope = fits[name].variances, MODELS[name][0].format(x)
            rows[x, label] = (
                v.loc["Intercept", "estimate"],
                v.loc[slope, "estimate"],
                v.loc[f"Intercept:{slope}", "correlation"],
                fits[name].sigma2,
                fits[name].deviance,
            )
    columns = ["intercept_variance", "slope_variance", "correlation", "residual", "deviance"]
    index = pd.MultiIndex.from_tuples(rows, names=["slope", "centered_at"])
    return pd.DataFrame(list(rows.values()), index, columns)


def _notes(spec: CenteringFormula, fits, latent: LatentRegression) -> list[str]:
    told: dict[str, list[str]] = {}
    for name in TOLD:
        for note in fits[name].notes:
            told.setdefault(note, []).append(f"'{name}'")
    notes = [
        note if len(names) == len(TOLD) else f"In {', '.join(names)}: {note}"
        for note, names in told.items()
    ]
    if spec.slopes:
        notes.append(
            "With a random slope, centering at a constant and at the cluster mean are different "
            "models, not two forms of one: the slope of an unsplit predictor has a smushed "
            "variance. Contextual effects are from the cluster-mean-centered model."
        )
    return [*notes, *_latent_notes(spec, latent)]


def _latent_notes(spec: CenteringFormula, latent: LatentRegression) -> list[str]:
    """Why latent rows are empty, if they are."""
    if not latent.model.optimizer.converged:
        return [f"The latent model {latent.model.optimizer.status}; its rows are empty."]
    flat = [x for x, b in zip(spec.predictors, latent.reliability, strict=True) if np.isnan(b)]
    empty = int(np.isnan(latent.between).sum())
    notes = []
    if flat:
        others = ", and those of the other predictors are from a regression without"
        notes.append(
            f"{', '.join(flat)}: differences between clusters are no larger than sampling within "
            "clusters explains. There are no latent means to regress on, so the latent between and "
            f"contextual rows are empty{'' if empty == len(spec.predictors) else others}."
        )
    if empty > len(flat):
        notes.append(
            "The true cluster means of the predictors are collinear, so the latent between and "
            "contextual rows are empty."
        )
    return notes
