"""Printed estimates of location-scale models, by the names of our tables.

High School and Beyond: Leckie, French, Charlton and Browne (2014), Tables 2 and 3. Inner London: a
talk of the first author (Research Methods Festival, Oxford, 2014). All are posterior means and SDs.
"""

from __future__ import annotations

import pandas as pd

from mlteach.data.shipped import folder
from mlteach.errors import ModelError
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.separate_fits import (
    cluster_estimates,
    inverse_wishart_from_separate_fits,
)
from mlteach.location_scale.result import LocationScaleResult

SLOPES = {"hsb": "ses_within", "london": "score11"}
NAMES = {
    "intercept": "Intercept",
    "sector": "catholic",
    "ses_deviation": "ses_within",
    "sector_x_ses_deviation": "catholic:ses_within",
    "mean_ses_x_ses_deviation": "mean_ses:ses_within",
}


def printed_location_scale(data: str) -> pd.DataFrame:
    """Printed coefficients, variances and correlations of the models of a data set.

    Parameters
    ----------
    data : {"hsb", "london"}

    Returns
    -------
    DataFrame
        Indexed by model (1, 2, …) and parameter: ``mean:`` and ``variance:`` with the name of a
        coefficient, or the name of a row of ``components``. Columns published and sd.

    Examples
    --------
    >>> printed_location_scale("hsb").loc[(1, "variance:catholic"), "published"].item()
    -0.266
    """
    table = _table(data).query("part != 'fit'")
    index = [
        (row.model, _name(row.part, row.parameter, SLOPES[data])) for row in table.itertuples()
    ]
    out = table[["posterior_mean", "posterior_sd"]].set_axis(["published", "sd"], axis=1)
    return out.set_index(pd.MultiIndex.from_tuples(index, names=["model", "parameter"]))


def printed_dic(data: str) -> pd.Series:
    """Printed DIC of the models of a data set, indexed by model.

    Examples
    --------
    >>> printed_dic("london").astype(int).tolist()
    [10910, 10783, 9194, 9133, 9121]
    """
    return _table(data).query("part == 'fit'").set_index("model")["posterior_mean"].rename("DIC")


def estimates(fit: LocationScaleResult) -> pd.Series:
    """What a fit has of the parameters that are printed, by the same names.

    Coefficients of both functions, variances of the random effects, correlations of their pairs.
    """
    parts = fit.components
    random = parts.get("correlation", parts["estimate"]).fillna(parts["estimate"])
    mean, variance = (t["estimate"] for t in (fit.mean, fit.log_variance))
    named = [mean.add_prefix("mean:"), variance.add_prefix("variance:"), random]
    return pd.concat(named).rename_axis("parameter").rename("estimate")


def separate_fits(fit: LocationScaleResult) -> pd.DataFrame:
    """What regressions in each cluster say of the random effects, and the prior's guess from it.

    Parameters
    ----------
    fit : LocationScaleResult

    Returns
    -------
    DataFrame
        One row a random effect: ``guess``, its variance as the inverse-Wishart prior takes it;
        ``raw``, the variance of the clusters' own estimates; ``chance``, their mean sampling
        variance.
    """
    effects = Effects.of(fit.design, True)
    own, noise = cluster_estimates(fit.design, effects)
    order = effects.mean_first
    unit = effects.unit[order] ** 2
    prior = inverse_wishart_from_separate_fits(fit.design, effects)
    return pd.DataFrame(
        {
            "guess": prior.scale.diagonal() / effects.d,
            "raw": own.var(axis=0, ddof=1)[order] * unit,
            "chance": noise.mean(axis=0)[order] * unit,
        },
        index=fit.random.index,
    )


def _table(data: str) -> pd.DataFrame:
    if data not in SLOPES:
        raise ModelError(f"Printed models are those of {', '.join(SLOPES)}, not of {data!r}.")
    return pd.read_csv(folder() / f"published_{data}_location_scale.csv")


def _name(part: str, parameter: str, slope: str) -> str:
    names = NAMES | {"slope": slope}
    prefix = "scale:" if part == "log_variance" else ""
    if parameter.endswith("_variance"):
        return prefix + names[parameter.removesuffix("_variance")]
    if parameter == "intercept_slope_correlation":
        return f"{prefix}Intercept:{prefix}{slope}"
    if part == "cross":
        _, a, b = parameter.split("_")
        return f"{names[a]}:scale:{names[b]}"
    return {"mean": "mean:", "log_variance": "variance:"}[part] + names.get(parameter, parameter)
