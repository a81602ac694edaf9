"""The factor L of Omega in a model that is sampled: one for all clusters, or by level-2 functions.

Entries are those of :mod:`mlteach.location_scale.bayes.graph`, numbers or vectors over clusters.
With level-2 functions log variances and atanh correlations are sampled. Correlations of three
effects or more may exclude each other: where they do, the density is zero (Leckie et al. 2014).
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.graph import total
from mlteach.location_scale.bayes.priors import NU_PRIOR, Prior, WeakPrior
from mlteach.location_scale.level_two import LevelTwoFunctions

Entries = dict[tuple[int, int], Any]

# Where log SDs start: small variances; the sampler grows them more easily than it shrinks them.
START = -1.0
# What is left of an effect beside those before it: less is outside the cone.
LEAST_LEFT = 1e-10


def sampled_factor(effects: Effects, prior: Prior, functions: LevelTwoFunctions | None) -> Entries:
    """Entries of L in natural units, with their prior, inside a PyMC model."""
    if functions is not None:
        return _by_level_two(effects, prior, functions)
    import pymc as pm
    from pytensor import tensor as pt

    start = [START * (a == b) for a, b in effects.places]
    free = pm.Flat("factor", shape=len(start), initval=np.array(start))
    L = effects.entries(pt, free)
    density = total(prior.log_density(pt, L, effects, block) for block in effects.blocks)
    pm.Potential("prior_factor", density + effects.log_jacobian(pt, L))
    return L


def student_sizes(J: int):
    """Sizes (J,) by which normal effects become t-distributed ones, inside a PyMC model."""
    import pymc as pm

    nu = pm.Gamma("nu", *NU_PRIOR)
    return pm.Gamma("precision", 0.5 * nu, 0.5 * nu, shape=J) ** -0.5


def _by_level_two(effects: Effects, prior: WeakPrior, functions: LevelTwoFunctions) -> Entries:
    import pymc as pm
    from pytensor import tensor as pt

    map_ = functions.map
    start = functions.constant(2.0 * START * (map_.rows == map_.cols))
    free = pm.Flat("functions", shape=map_.m, initval=start)
    L, left = level_two_factor(pt, functions, free)
    pm.Potential("prior_functions", prior.log_density_functions(pt, functions, effects, free))
    if left is not None:
        pm.Potential("inside", pt.switch(pt.all(left > LEAST_LEFT), 0.0, -np.inf))
    return L


def level_two_factor(xp, functions: LevelTwoFunctions, free) -> tuple[Entries, Any]:
    """Entries of L from the coefficients (..., m), vectors over clusters along the last axis.

    Returns
    -------
    dict
        Entry of L by its place; zero elements of Omega have none above their block.
    vector or None
        Smallest remaining variance of a cluster's effects, of standard deviation one; at most zero
        is outside the cone. None where two effects correlate at most: there is nothing to exclude.
    """
    map_, log_sd, rho = functions.map, {}, {}
    values = level_two_values(functions, free)
    for row, col, value in zip(map_.rows, map_.cols, values, strict=True):
        if row == col:
            log_sd[row] = 0.5 * value
        else:
            rho[row, col] = xp.tanh(value)
    C, left = {}, []
    for a in range(map_.r + map_.q):
        for b in range(a):
            if (a, b) in rho:
                shared = [C[a, k] * C[b, k] for k in range(b) if (a, k) in C and (b, k) in C]
                C[a, b] = (rho[a, b] - sum(shared)) / C[b, b]
        rest = 1.0 - sum(C[a, b] ** 2 for b in range(a) if (a, b) in C)
        if sum((a, b) in C for b in range(a)) > 1:
            left.append(rest)
            rest = xp.maximum(rest, LEAST_LEFT)
        C[a, a] = rest**0.5
    smallest = reduce(xp.minimum, left) if left else None
    return {(a, b): xp.exp(log_sd[a]) * x for (a, b), x in C.items()}, smallest


def level_two_values(functions: LevelTwoFunctions, free) -> list[Any]:
    """Values of each function in each cluster, from coefficients (..., m)."""
    pairs = zip(functions.map.pieces(free), functions.map.designs, strict=True)
    return [total(part[..., k, None] * g for k, g in enumerate(G.T)) for part, G in pairs]
