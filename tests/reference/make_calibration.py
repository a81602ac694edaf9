"""Simulation-based calibration of the Bayesian location-scale model -> ``calibration.json``.

Parameters are drawn from the prior, data from the model, and the posterior is sampled; the rank of
what was drawn among the draws is then uniform (Talts, Betancourt, Simpson, Vehtari & Gelman 2018,
arXiv:1804.06788). Run from the root of the project; takes a few minutes.
"""

import json
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import nutpie
import pandas as pd
import pytensor

from mlteach.location_scale.bayes.draws import Draws, inference_data
from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.graph import products
from mlteach.location_scale.bayes.priors import WeakPrior
from mlteach.location_scale.bayes.sample import collapsed_model
from mlteach.location_scale.design import location_scale_design

REPLICATIONS, DRAWS, THIN = 200, 990, 10
PRIOR = WeakPrior(beta=1.0, alpha=0.5, mean_sd=1.0, log_variance_sd=0.5)
Y_PRODUCTS = ("Zy", "Xy", "yy")


def design():
    """Thirty clusters of ten rows; the outcome is replaced in each replication."""
    rng = np.random.default_rng(1)
    g = np.repeat(np.arange(30), 10)
    w = np.repeat(rng.standard_normal(30), 10)
    data = pd.DataFrame({"g": g, "w": w, "x": rng.standard_normal(300)})
    data["y"] = rng.standard_normal(300) + data["x"]
    return location_scale_design("y ~ x + (1 | g)", "~ w + (1 | g)", data)


def simulate(d, effects, rng):
    """Parameters from the prior and an outcome from the model, in the units of ``d.rows``."""
    rows = d.rows
    beta = PRIOR.beta * rng.standard_normal(rows.X.shape[1])
    alpha = PRIOR.alpha * rng.standard_normal(rows.W.shape[1])
    Omega = PRIOR.draw(rng, effects, 1)[0]
    natural = rng.standard_normal((len(rows.n), 2)) @ np.linalg.cholesky(Omega).T
    v, u = (natural @ effects.to_rows.T).T
    log_var = rows.W @ alpha + rows.S[:, 0] * rows.spread(v)
    noise = np.exp(0.5 * log_var) * rng.standard_normal(len(rows.y))
    y = rows.X @ beta + rows.Z[:, 0] * rows.spread(u) + noise
    return np.array([*beta, *alpha, *Omega[np.tril_indices(2)], natural[0, 1], natural[0, 0]]), y


def quantities(d, effects, raw, rng):
    """The same quantities for each draw."""
    draws = Draws.of(raw, effects)
    L = draws.L[:, 0]
    Omega = L @ L.transpose(0, 2, 1)
    post = inference_data(d, draws, raw, rng).posterior
    u0, v0 = (post[k].to_numpy().reshape(-1, 30)[:, 0] for k in ("u", "v"))
    effect = [u0 / effects.unit[1], v0 / effects.unit[0]]
    return np.column_stack([draws.beta, draws.alpha, Omega[:, *np.tril_indices(2)], *effect])


def main() -> None:
    d = design()
    effects = Effects.of(d, True)
    weigh = products(d.rows)
    for name in Y_PRODUCTS:
        setattr(weigh, name, pytensor.shared(getattr(weigh, name).copy(), name=name))
    compiled = nutpie.compile_pymc_model(collapsed_model(d, effects, PRIOR, weigh=weigh))
    ranks = []
    for k in range(REPLICATIONS):
        rng = np.random.default_rng([2, k])
        truth, y = simulate(d, effects, rng)
        new = replace(d, rows=replace(d.rows, y=y))
        fresh = products(new.rows)
        model = compiled.with_data(**{name: getattr(fresh, name).copy() for name in Y_PRODUCTS})
        raw = nutpie.sample(
            model, draws=DRAWS, tune=500, chains=1, seed=k, progress_bar=False, save_warmup=False
        )
        found = quantities(new, effects, raw, rng)[::THIN]
        ranks.append((found < truth).sum(axis=0).tolist())
    names = ["beta_0", "beta_x", "alpha_0", "alpha_w", "var_v", "cov_uv", "var_u", "u_0", "v_0"]
    versions = {name: metadata.version(name) for name in ("pymc", "nutpie", "numpy")}
    out = {"draws": DRAWS // THIN, "names": names, "ranks": ranks, "versions": versions}
    Path(__file__).with_name("calibration.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    sys.exit(main())
