"""How accurate is an estimator? The published criteria of the multigroup simulation, with errors.

For each (co)variance or ICC, over the replications of a condition,

    Bias = mean(estimate - true),    RMSE = sqrt(mean((estimate - true)^2)),

and relative to the true value, in percent: relBias, relRMSE. Published are means over sets of
parameters: ``var_B`` the two variances between clusters, ``cov_B`` their covariance, ``B`` all
three; ``var_W_1``, ``cov_W_1``, ``W_1`` the same within clusters of group 1, with ``_2`` in group
2, and without a number in both; ``ICC_1``, ``ICC_2``, ``ICC``. Further, in percent of intervals or
of replications: ``coverage_*``, ``negVar_*`` (any variance of the set below zero), ``se_*`` (all
standard errors there) and ``conv`` (fits that converged).

A set's criterion is a mean over parameters that were estimated from the same data, so its Monte
Carlo standard error comes from what each *replication* adds to it, not each estimate: for an RMSE q
of errors d that is (d^2 - q^2) / (2 q), for a mean the deviation from it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.distributions import normal_quantile
from mlteach.data.shipped import folder
from mlteach.errors import ModelError
from mlteach.published.wf_simulation import PARAMETERS, true_groups
from mlteach.study.study import Study

PUBLISHED = "published_wf_simulation.csv"
ROUNDING = 0.01 / np.sqrt(12.0)  # standard deviation of what two decimals round away
PUBLISHED_REPLICATIONS = 1000


def _sets() -> dict[str, list[int]]:
    """Which of the nine parameters belong to each set of (co)variances."""
    start = {"W_1": 0, "W_2": 3, "B": 6}
    kinds = {"var_": (0, 2), "cov_": (1,), "": (0, 1, 2)}
    sets = {
        f"{kind}{level}": [first + k for k in places]
        for kind, places in kinds.items()
        for level, first in start.items()
    }
    for kind in kinds:
        sets[f"{kind}W"] = sets[f"{kind}W_1"] + sets[f"{kind}W_2"]
    return sets


SETS = _sets()
#: ICC of x1 and x2 in group 1, then in group 2.
ICC_SETS = {"ICC_1": [0, 1], "ICC_2": [2, 3], "ICC": [0, 1, 2, 3]}
VARIANCES_B = SETS["var_B"] * 2
VARIANCES_W = SETS["var_W_1"] + SETS["var_W_2"]


def criteria(study: Study) -> pd.DataFrame:
    """All criteria of a run of the multigroup simulation.

    Parameters
    ----------
    study : Study
        A run of :func:`mlteach.published.wf_simulation.draw_groups` and ``fit_groups`` over
        conditions.

    Returns
    -------
    DataFrame
        Indexed by condition and criterion; columns value and mcse, its Monte Carlo standard error
        (NaN where fewer than two replications tell it). A missing interval covers nothing.

    Raises
    ------
    ModelError
        If the study has no conditions of this simulation, or no estimates of one of them.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach.published.wf_criteria import criteria
    >>> from mlteach.published.wf_simulation import conditions, draw_groups, fit_groups
    >>> one = conditions().loc[[2]]
    >>> study = mt.run_study(draw_groups, fit_groups, 20, seed=16, conditions=one)
    >>> criteria(study).loc[(2, "conv")].tolist()
    [100.0, 0.0]

    References
    ----------
    Morris, White & Crowther (2019), Statistics in Medicine 38(11), doi:10.1002/sim.8086.
    """
    if study.conditions is None or not {"vr", "between"} <= set(study.conditions.columns):
        raise ModelError("The study has no conditions with columns vr and between.")
    true = true_groups(study.conditions).unstack("parameter")[list(PARAMETERS)]
    tables = {}
    for condition in study.conditions.index:
        if condition not in study.estimates.index.get_level_values("condition"):
            raise ModelError(f"All replications of condition {condition} failed.")
        part = study.estimates.loc[condition]
        values = {
            name: part[name].to_numpy().reshape(-1, len(PARAMETERS))
            for name in ("estimate", "se", "lower", "upper")
        }
        judged = _judged(values, true.loc[condition].to_numpy(), study.replications)
        tables[condition] = pd.DataFrame(judged, index=["value", "mcse"]).T
    return pd.concat(tables, names=["condition", "criterion"])


def published() -> pd.DataFrame:
    """The authors' results: a row a condition, a column a criterion, rounded to two decimals.

    Further columns are the settings (VR, var_B, ...) and ``time``, the seconds of one of their
    fits. Source: github.com/demianJK/WFmultigroup.
    """
    table = pd.read_csv(folder() / PUBLISHED).rename(columns={"cond": "condition"})
    return table.set_index("condition")


def agreement(table: pd.DataFrame, level: float = 0.99) -> pd.DataFrame:
    """Our criteria beside the authors'.

    Two independent runs of the same size differ with a standard error of sqrt(2) mcse, to which the
    rounding of the published number adds. Percentages take their standard error from the mean of
    both runs: one of zero has none of its own.

    Parameters
    ----------
    table : DataFrame
        As :func:`criteria` returns it, of 1,000 replications.
    level : float, default 0.99
        Share of differences that chance alone would leave inside.

    Returns
    -------
    DataFrame
        Indexed by condition and criterion; columns ours, published, difference, se, z, inside.

    Examples
    --------
    >>> from mlteach.published.wf_criteria import agreement, criteria
    >>> from mlteach.published.wf_simulation import stored_run
    >>> agreement(criteria(stored_run())).loc[(1, "relRMSE_var_B"), "inside"].item()
    True
    """
    printed = published()
    names = [name for name in printed.columns if name in table.index.unique("criterion")]
    printed = printed[names].rename_axis(columns="criterion").stack()
    both = table.rename(columns={"value": "ours"}).assign(published=printed)
    both = both.dropna(subset="published").rename_axis(index=table.index.names)
    both["difference"] = both["ours"] - both["published"]
    both["se"] = np.sqrt(2.0 * _shared_mcse(both) ** 2 + ROUNDING**2)
    both["z"] = both["difference"] / both["se"]
    both["inside"] = both["z"].abs() <= normal_quantile(level)
    return both.drop(columns="mcse")


def _shared_mcse(both: pd.DataFrame) -> np.ndarray:
    """Ours, except for shares: those from the mean of the two studies."""
    name = both.index.get_level_values("criterion")
    ours, mean = both["ours"] / 100.0, (both["ours"] + both["published"]) / 200.0
    spread = np.sqrt(np.clip(mean * (1.0 - mean), 0.0, None))
    binomial = 100.0 * spread / np.sqrt(PUBLISHED_REPLICATIONS)
    own = np.sqrt(np.clip(ours * (1.0 - ours), 0.0, None))
    # Three or six intervals from one data set: the binomial is not their distribution, but its
    # spread changes with the share in the same way.
    scaled = both["mcse"] * np.divide(spread, own, out=np.ones(len(own)), where=own > 0)
    intervals = np.where(name.str.startswith("coverage"), scaled, both["mcse"])
    return np.where(name.str.match("negVar|se_|conv"), binomial, intervals)


# ----------------------------------------------------------------------------------- one condition


def _judged(values: dict, true: np.ndarray, replications: int) -> dict[str, tuple[float, float]]:
    """Every criterion of one condition: value and Monte Carlo standard error."""
    estimate, se = values["estimate"], values["se"]
    out = {"conv": _percent(np.arange(replications) < len(estimate))}
    out |= _errors(estimate - true, true, SETS)
    icc, true_icc = _icc(estimate), _icc(true[None])[0]
    out |= _errors(icc - true_icc, true_icc, ICC_SETS)
    inside = (values["lower"] <= true) & (true <= values["upper"])
    for level in ("B", "W", "W_1", "W_2"):
        at = SETS[level]
        out[f"coverage_{level}"] = _percent(inside[:, at].mean(axis=1))
        out[f"se_{level}"] = _percent(np.isfinite(se[:, at]).all(axis=1))
        out[f"negVar_{level}"] = _percent((estimate[:, SETS[f"var_{level}"]] < 0).any(axis=1))
    return out


def _errors(d: np.ndarray, true: np.ndarray, sets: dict) -> dict[str, tuple[float, float]]:
    """Bias and RMSE of sets of parameters from their errors, absolute and relative."""
    rmse, bias = np.sqrt((d**2).mean(axis=0)), d.mean(axis=0)
    rmse_added, out = (d**2 - rmse**2) / (2.0 * rmse), {}
    for name, value, added in (("RMSE", rmse, rmse_added), ("Bias", bias, d - bias)):
        for kind, unit in ((name, 1.0), (f"rel{name}", 100.0 / true)):
            scaled, parts = value * unit, added * unit
            for where, at in sets.items():
                own = parts[:, at].mean(axis=1)
                out[f"{kind}_{where}"] = (float(scaled[at].mean()), _standard_error(own))
    return out


def _icc(estimate: np.ndarray) -> np.ndarray:
    between, within = estimate[:, VARIANCES_B], estimate[:, VARIANCES_W]
    return between / (between + within)


def _percent(share: np.ndarray) -> tuple[float, float]:
    """Mean over replications, in percent, of shares or of yes and no."""
    share = np.asarray(share, dtype=float)
    return 100.0 * float(share.mean()), 100.0 * _standard_error(share)


def _standard_error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
