"""The location-scale model by Bayes: what is sampled, and by what.

    y_ij = x'beta + z'u_j + e_ij,   log Var(e_ij) = w'alpha + s'v_j,   (v_j, u_j) ~ N(0, L L')

The collapsed model samples beta, alpha, L and t_j, with v_j = L_v t_j and t_j standard normal; the
location effects are integrated out in closed form and drawn afterwards from their exact
conditional distribution. The plain model (:mod:`mlteach.location_scale.bayes.plain`) samples
everything. The posterior is the same. With u_j in the variance function there is only the plain
model.
"""

from __future__ import annotations

import importlib.util
import inspect
import time
import warnings
from dataclasses import replace

import numpy as np

from mlteach.core.lazy import check_extra
from mlteach.errors import ModelError
from mlteach.location_scale.association import DEGREES
from mlteach.location_scale.bayes.announcement import note_announcement
from mlteach.location_scale.bayes.draws import Draws, inference_data
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.factor import sampled_factor, student_sizes
from mlteach.location_scale.bayes.graph import Weigher, condition, products, spread
from mlteach.location_scale.bayes.plain import plain_model
from mlteach.location_scale.bayes.priors import FlatPrior, Prior, WeakPrior
from mlteach.location_scale.bayes.separate_fits import inverse_wishart_from_separate_fits
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.level_two import LevelTwoFunctions


def sample(
    d: LocationScaleDesign,
    *,
    prior: str | Prior = "weak",
    collapsed: bool = True,
    association: bool | str = True,
    functions: LevelTwoFunctions | None = None,
    student_t: bool = False,
    draws: int = 1000,
    chains: int = 4,
    tune: int = 1000,
    seed: int | None = None,
    progress: bool = True,
    cores: int | None = None,
):
    """Draw from the posterior of a location-scale model.

    Parameters
    ----------
    d : LocationScaleDesign
    prior : "weak", "inverse-wishart", "flat", WeakPrior, InverseWishart or FlatPrior
        "inverse-wishart" is built on separate fits of the clusters, as in published analyses; see
        :func:`mlteach.location_scale.bayes.separate_fits.inverse_wishart_from_separate_fits`.
    collapsed : bool, default True
        Integrate the location effects out; False samples the plain model.
    association : {True, False, "linear", "quadratic"}, default True
        Whether the effects of the two functions correlate, or the location effects enter the log
        variance with their first powers or first and second; then the plain model is sampled.
    functions : LevelTwoFunctions, optional
        Level-2 functions of the random effects, for weak priors.
    student_t : bool, default False
        Multivariate t instead of normal effects; Omega is then their scale matrix, their covariance
        matrix is nu / (nu - 2) times as large.
    draws, chains, tune : int
    seed : int, optional
    progress : bool, default True
        Show a progress bar.
    cores : int, optional
        Chains run at the same time; default as many as there are.

    Returns
    -------
    arviz.InferenceData
        Posterior of beta, alpha, Omega, correlations, u, v (and nu, between, association) in the
        user's units, with the names of coefficients, effects and clusters as coordinates. With
        level-2 functions Omega is that of average level-2 predictors.

    Raises
    ------
    ModelError
        If the prior does not fit the model, or PyMC is not installed.
    """
    check_extra("pymc", "Estimation by method='bayes'")
    note_announcement()
    effects = Effects.of(d, association is True)
    prior = resolve_prior(prior, d, effects)
    if functions is not None:
        if not isinstance(prior, WeakPrior):
            raise ModelError("Level-2 functions have weak priors only: leave prior= out.")
        functions = replace(functions, units=effects.unit)
    settings: dict = {"student_t": student_t, "functions": functions}
    degree = _degree(association, effects)
    if degree:
        collapsed, settings["degree"] = False, degree
    clock = time.perf_counter()
    model = (collapsed_model if collapsed else plain_model)(d, effects, prior, **settings)
    sampler = _nutpie if importlib.util.find_spec("nutpie") else _pymc
    lengths = {"draws": draws, "tune": tune, "chains": chains, "cores": cores}
    raw, compiled = sampler(model, seed, progress, **lengths)
    sampled = time.perf_counter()
    rng = np.random.default_rng(None if seed is None else [seed, chains])
    out = inference_data(d, Draws.of(raw, effects, functions), raw, rng)
    out.posterior.attrs |= {
        "prior": repr(prior),
        "collapsed": int(collapsed),
        "student_t": int(student_t),
        "seconds_compiling": compiled - clock,
        "seconds_sampling": sampled - compiled,
    }
    return out


def _degree(association: bool | str, effects: Effects) -> int:
    """Powers of the location effects in the log variance."""
    degree = DEGREES.get(association, 0)
    if degree and effects.r and effects.names[: effects.r] != (SCALE + "Intercept",):
        raise ModelError(
            "The mean function's effects enter the variance function beside at most a random "
            f"intercept; it has {', '.join(effects.names[: effects.r])}. Use association=True."
        )
    return degree


def resolve_prior(prior, d: LocationScaleDesign, effects: Effects) -> Prior:
    """A prior from its name; priors themselves are passed on.

    Raises
    ------
    ModelError
    """
    if prior == "flat":
        prior = FlatPrior()
    if isinstance(prior, FlatPrior):
        prior.check(effects, len(d.rows.n))
    if isinstance(prior, Prior):
        return prior
    if prior == "weak":
        return WeakPrior()
    if prior == "inverse-wishart":
        return inverse_wishart_from_separate_fits(d, effects)
    raise ModelError(
        "prior must be 'weak', 'inverse-wishart', 'flat', a WeakPrior, an InverseWishart or a "
        f"FlatPrior, not {prior!r}."
    )


# ---------------------------------------------------------------------------- the collapsed model


def collapsed_model(
    d: LocationScaleDesign,
    effects: Effects,
    prior: Prior,
    *,
    student_t: bool = False,
    functions: LevelTwoFunctions | None = None,
    weigh: Weigher | None = None,
):
    """PyMC model with the location effects integrated out, in the units of ``d.rows``.

    ``weigh`` may hold shared variables where the products of ``d.rows`` would be, so that one
    compiled model serves many outcomes.
    """
    import pymc as pm
    from pytensor import tensor as pt

    rows, J = d.rows, len(d.rows.n)
    weigh = products(rows) if weigh is None else weigh
    with pm.Model() as model:
        beta = pm.Normal("beta_s", 0.0, prior.beta, shape=rows.X.shape[1])
        alpha = pm.Normal("alpha_s", 0.0, prior.alpha, shape=rows.W.shape[1])
        R = effects.entries_in_rows(sampled_factor(effects, prior, functions))
        if student_t:
            size = student_sizes(J)
            R = [[entry * size for entry in row] for row in R]
        t = [pm.Normal(f"t_{k}", 0.0, 1.0, shape=J) for k in range(effects.r)]
        v, mu, Lu = spread(pt, R, t, effects.q, J)
        given = condition(pt, weigh(pt, beta, alpha, v), weigh.n, mu, Lu)
        pm.Potential("log_likelihood", given.logf.sum())
    return model


# -------------------------------------------------------------------------------------- samplers


def _nutpie(model, seed, progress, **lengths):
    import nutpie

    with warnings.catch_warnings():
        # It is about compiled C code; nutpie compiles with numba, which brings its own products.
        warnings.filterwarnings("ignore", message="PyTensor could not link to a BLAS")
        compiled = nutpie.compile_pymc_model(model)
    # Later versions have another name for it.
    named = "adaptation" in inspect.signature(nutpie.sample).parameters
    low_rank = {"adaptation": "low_rank"} if named else {"low_rank_modified_mass_matrix": True}
    clock = time.perf_counter()
    raw = nutpie.sample(
        compiled, seed=seed, progress_bar=progress, save_warmup=False, **low_rank, **lengths
    )
    return raw, clock


def _pymc(model, seed, progress, **lengths):
    import pymc as pm

    clock = time.perf_counter()
    with model:
        raw = pm.sample(
            random_seed=seed, progressbar=progress, nuts_sampler="pymc",
            compute_convergence_checks=False, **lengths,
        )  # fmt: skip
    return raw, clock
