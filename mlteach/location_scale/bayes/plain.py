"""The location-scale model as a textbook writes it: the readable reference of the fast one.

Everything is sampled, nothing integrated out, and the priors are built from named distributions. It
also serves where nothing can be integrated out: with the mean function's effects in the variance
function.
"""

from __future__ import annotations

import numpy as np

from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.factor import Entries, sampled_factor, student_sizes
from mlteach.location_scale.bayes.graph import solve_upper
from mlteach.location_scale.bayes.priors import FlatPrior, InverseWishart, Prior, WeakPrior
from mlteach.location_scale.design import LocationScaleDesign
from mlteach.location_scale.level_two import LevelTwoFunctions


def plain_model(
    d: LocationScaleDesign,
    effects: Effects,
    prior: Prior,
    *,
    student_t: bool = False,
    functions: LevelTwoFunctions | None = None,
    degree: int = 0,
):
    """PyMC model of the rows given the effects, in the units of ``d.rows``.

    The effects are standard normal vectors z_j times L, the same as (v_j, u_j) ~ N(0, L L') and
    easier to sample where clusters say little about their effects. With ``functions`` L is the
    cluster's own; with a ``degree`` the log variance has the powers of u_j up to that degree.
    """
    import pymc as pm
    from pytensor import tensor as pt

    rows, J, r = d.rows, len(d.rows.n), effects.r
    cluster = np.repeat(np.arange(J), rows.n)
    with pm.Model() as model:
        beta = pm.Normal("beta_s", 0.0, prior.beta, shape=rows.X.shape[1])
        alpha = pm.Normal("alpha_s", 0.0, prior.alpha, shape=rows.W.shape[1])
        z = pm.Normal("z", 0.0, 1.0, shape=(J, effects.d))
        # A flat prior is no distribution and has no name: its L comes by entries too.
        if functions is not None or isinstance(prior, FlatPrior):
            effect = _by_entries(sampled_factor(effects, prior, functions), z, effects.d)
        else:
            effect = _products(pm.Deterministic("L", _factor(effects, prior)), z)
        if student_t:
            effect = effect * student_sizes(J)[:, None]
        pm.Deterministic("effect", effect)
        in_rows = _products(effects.to_rows, effect)
        v, u = in_rows[:, :r], in_rows[:, r:]
        location = (rows.X * beta).sum(axis=1) + (rows.Z * u[cluster]).sum(axis=1)
        log_variance = (rows.W * alpha).sum(axis=1) + (rows.S * v[cluster]).sum(axis=1)
        if degree:
            gamma = pm.Normal("gamma", 0.0, prior.alpha, shape=degree * effects.q)
            powers = pt.concatenate([effect[:, r:] ** (k + 1) for k in range(degree)], axis=1)
            log_variance = log_variance + (powers * gamma).sum(axis=1)[cluster]
        pm.Normal("y", location, pt.exp(0.5 * log_variance), observed=rows.y)
    return model


def _products(matrix, vectors):
    """Products of a small matrix (d, d) and each of J vectors (J, d).

    Compiled products of matrices want arrays without gaps, which their derivatives do not have.
    """
    return (matrix * vectors[:, None, :]).sum(axis=2)


def _by_entries(L: Entries, z, d: int):
    """Effects (J, d) from entries of L, numbers or vectors over clusters."""
    from pytensor import tensor as pt

    rows = [sum(L[a, b] * z[:, b] for b in range(a + 1) if (a, b) in L) for a in range(d)]
    return pt.stack(rows, axis=1)


def _factor(effects: Effects, prior: WeakPrior | InverseWishart):
    """Lower-triangular factor L (d, d) of Omega, block by block."""
    from pytensor import tensor as pt

    build = _lkj if isinstance(prior, WeakPrior) else _bartlett
    L = pt.zeros((effects.d, effects.d))
    for k, block in enumerate(effects.blocks):
        at = slice(block[0], block[-1] + 1)
        L = L[at, at].set(build(f"block_{k}", effects, prior, block))
    return L


def _lkj(name: str, effects: Effects, prior: WeakPrior, block: tuple[int, ...]):
    """Half-normal standard deviations, LKJ correlations."""
    import pymc as pm

    size = prior.sizes(effects)[list(block)]
    if len(block) == 1:
        return pm.HalfNormal(name, size, shape=1)[:, None]
    return pm.LKJCholeskyCov(
        name,
        n=len(block),
        eta=prior.lkj,
        sd_dist=pm.HalfNormal.dist(size, shape=len(block)),
        store_in_trace=False,
    )[0]


def _bartlett(name: str, effects: Effects, prior: InverseWishart, block: tuple[int, ...]):
    """Inverse-Wishart by Bartlett's decomposition: L = B Q^-1 with S = B B'.

    Q is lower triangular; Q_ii^2 is chi-square with df - d + i degrees of freedom (i = 1, ..., d),
    elements below the diagonal are standard normal, and Q'Q is Wishart with df and the identity.
    """
    import pymc as pm
    from pytensor import tensor as pt

    scale, df = prior.natural(effects, block)
    d = len(block)
    size = pt.sqrt(pm.ChiSquared(f"{name}_diagonal", df - d + 1.0 + np.arange(d)))
    below = pm.Normal(f"{name}_below", shape=d * (d - 1) // 2) if d > 1 else None
    Q = [[*(below[a * (a - 1) // 2 + b] for b in range(a)), size[a]] for a in range(d)]
    return pt.stack([pt.stack(solve_upper(Q, row)) for row in np.linalg.cholesky(scale)])
