"""Questions to a posterior: has the sampler converged, and how well does the model fit.

DIC, WAIC and LOO rest on the conditional likelihood, that of the rows given the effects of their
clusters: they ask about new rows of the same clusters.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlteach.location_scale.association import entered
from mlteach.location_scale.bayes.draws import chunks
from mlteach.location_scale.design import LocationScaleDesign
from mlteach.location_scale.likelihood import LOG_2PI

# Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021), Bayesian Analysis 16, 667-718.
LARGEST_RHAT, FEWEST_EFFECTIVE = 1.01, 400
PARAMETERS = ("beta", "alpha", "Omega", "correlations", "between", "association", "nu")


# ------------------------------------------------------------------------------------ convergence


def diagnose(idata) -> tuple[str, ...]:
    """Say in words whether the chains can be trusted.

    Parameters
    ----------
    idata : arviz.InferenceData
        From :func:`mlteach.location_scale.bayes.sample.sample`.

    Returns
    -------
    tuple of str
        What to know and what to do, the worst parameter named; the last sentence is the verdict.

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter & Buerkner (2021), Bayesian Analysis 16, 667-718.
    """
    checks = list(_checks(idata))
    said = [sentence for _, sentence in checks]
    if all(fine for fine, _ in checks):
        return (*said, "The chains can be used.")
    return (*said, "Do not use these draws yet.")


def _checks(idata) -> Iterator[tuple[bool, str]]:
    """Whether all is fine, and what is said of it: mixing, effective draws, divergences."""
    import arviz as az

    varying = _varying(idata)
    if idata.posterior.sizes["chain"] < 2:
        yield False, "There is one chain, and R-hat compares several: run four."
    else:
        worst, at = _extreme(az.rhat(varying), max)
        fine = worst <= LARGEST_RHAT
        told = "agree" if fine else "disagree; take more draws (tune=, draws=)"
        wanted = f"at most {LARGEST_RHAT} is wanted"
        yield fine, f"R-hat is at most {worst:.3f} ({at}; {wanted}): the chains {told}."
    for method, what in (("bulk", "posterior means"), ("tail", "interval limits")):
        least, at = _extreme(az.ess(varying, method=method), min)
        fine = least >= FEWEST_EFFECTIVE
        told = "enough" if fine else "too few, take more draws"
        worth = f"worth at least {least:.0f} independent ones ({at}; {FEWEST_EFFECTIVE} are wanted)"
        yield fine, f"For {what} the draws are {worth}: {told}."
    count = int(idata.sample_stats["diverging"].sum())
    diverged = (
        f"{count} transition(s) diverged: part of the posterior was not reached. A variance near "
        "zero is the usual cause; try a longer warm-up (tune=), a firmer prior or fewer random "
        "effects."
    )
    yield not count, diverged if count else "No transition diverged."


def _varying(idata):
    """Every parameter by its label, as a data set; without those that are the same in all draws."""
    import arviz as az

    post, found = idata.posterior, {}
    for name in [name for name in PARAMETERS if name in post]:
        dims = post[name].dims[2:]
        values = post[name].to_numpy()
        for place in np.ndindex(values.shape[2:]):
            draws = values[(..., *place)]
            names = [str(post[dim].to_numpy()[k]) for dim, k in zip(dims, place, strict=True)]
            if np.ptp(draws) > 0.0:
                found[f"{name}[{', '.join(names)}]" if names else name] = draws
    return az.convert_to_dataset(found)


def _extreme(table, extreme) -> tuple[float, str]:
    """Largest or smallest entry of a data set, and the parameter it belongs to."""
    return extreme((float(values), name) for name, values in table.data_vars.items())


# ------------------------------------------------------------------------------- fit and comparison


def deviances(idata, d: LocationScaleDesign) -> np.ndarray:
    """Minus twice the log-likelihood given u and v, of each draw, shape (chains, draws)."""
    parts = [-2.0 * x.sum(axis=1) for x in _log_likelihood_chunks(_flat(idata), d)]
    return np.concatenate(parts).reshape(-1, idata.posterior.sizes["draw"])


@dataclass(frozen=True)
class DIC:
    """Deviance information criterion on the conditional likelihood.

    Attributes
    ----------
    dic : float
        Mean deviance + p_D.
    p_d : float
        Effective number of parameters: mean deviance - deviance at the posterior means.
    mean_deviance : float
    """

    dic: float
    p_d: float
    mean_deviance: float


def dic(idata, d: LocationScaleDesign) -> DIC:
    """DIC given the random effects, as published for location-scale models.

    Parameters
    ----------
    idata : arviz.InferenceData
        From :func:`mlteach.location_scale.bayes.sample.sample`.
    d : LocationScaleDesign
        The design it was sampled from.

    Notes
    -----
    The deviance at the posterior means takes those of beta, alpha, u and v.

    References
    ----------
    Spiegelhalter, Best, Carlin & van der Linde (2002), JRSS B 64, 583-639.
    """
    mean = {k: x.mean(axis=0, keepdims=True) for k, x in _flat(idata).items()}
    at_mean = -2.0 * sum(float(x.sum()) for x in _log_likelihood_chunks(mean, d))
    average = float(deviances(idata, d).mean())
    return DIC(2.0 * average - at_mean, average - at_mean, average)


def with_log_likelihood(idata, d: LocationScaleDesign):
    """The same inference data with the log-likelihood of each row given u and v, for WAIC and LOO.

    The rows are in the order of the table. Memory: 8 bytes a draw and row.

    Returns
    -------
    arviz.InferenceData
    """
    import arviz as az

    values = np.concatenate(list(_log_likelihood_chunks(_flat(idata), d)))
    values = values.reshape(idata.posterior.sizes["chain"], -1, values.shape[1])
    group = az.from_dict(log_likelihood={"y": values}, dims={"y": ["row"]})
    out = idata.copy()
    out.add_groups({"log_likelihood": group.log_likelihood})
    return out


def _flat(idata) -> dict[str, np.ndarray]:
    """Draws of what the conditional likelihood needs, chains and draws in one axis."""
    names = ("beta", "alpha", "u", "v", "association")
    return {name: drawn(idata, name) for name in names if name in idata.posterior}


def drawn(idata, name: str) -> np.ndarray:
    """Draws of a quantity, chains and draws in one axis."""
    values = idata.posterior[name].to_numpy()
    # A model may have no scale effects, and nothing has no size to be inferred.
    return values.reshape(values.shape[0] * values.shape[1], *values.shape[2:])


def _log_likelihood_chunks(flat, d: LocationScaleDesign) -> Iterator[np.ndarray]:
    """Log density of the rows given all effects, some draws at a time, shape (draws, N)."""
    codes = d.mean.codes
    for at in chunks(len(flat["beta"]), len(d.mean.y)):
        beta, alpha, u, v = (flat[name][at] for name in ("beta", "alpha", "u", "v"))
        residual = d.mean.y - beta @ d.mean.X.T
        for k, z in enumerate(d.mean.Z.T):
            residual -= z * u[:, codes, k]
        log_var = alpha @ d.W.T
        for k, s in enumerate(d.S.T):
            log_var += s * v[:, codes, k]
        if "association" in flat:
            log_var += entered(flat["association"][at], u)[:, codes]
        yield -0.5 * (LOG_2PI + log_var + residual**2 * np.exp(-log_var))
