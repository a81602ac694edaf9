"""Draws of the location-scale model: from the sampler's units to the user's.

Whatever was sampled, each draw is completed to (beta, alpha, L, t, u): after the collapsed model u
is drawn from its exact conditional distribution. Draws are worked through in chunks, so that memory
does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlteach.location_scale.bayes.effects import Effects
from mlteach.location_scale.bayes.factor import level_two_factor
from mlteach.location_scale.bayes.graph import condition, location_effects, products, spread
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.level_two import LevelTwoFunctions

# Numbers in one temporary array while draws are worked through.
CHUNK = 2_000_000
DIMS = {
    "beta": ["coefficient"],
    "alpha": ["variance_coefficient"],
    "Omega": ["effect", "effect_2"],
    "correlations": ["pair"],
    "u": ["cluster", "mean_effect"],
    "v": ["cluster", "scale_effect"],
    "between": ["function"],
    "association": ["power"],
}


@dataclass(frozen=True)
class Draws:
    """Draws in the sampler's units; chains and draws in one axis of length S.

    Attributes
    ----------
    shape : tuple of int
        Chains, draws.
    effects : Effects
    functions : LevelTwoFunctions or None
        In natural units.
    flat : dict of str to ndarray, shapes (S, ...)
        By the sampler's names: beta_s, alpha_s and, of some models, t_0, t_1 (standard normal, of
        each cluster), precision (of t-distributed effects), effect (sampled ones in natural units,
        scale effects first; absent if u was integrated out), nu, functions (coefficients of
        level-2 functions) and gamma (of the location effects in the log variance, natural units).
    L : ndarray, shape (S, 1, d, d) or (S, J, d, d)
        Natural units, scale effects first; of each cluster if there are level-2 functions.
    """

    shape: tuple[int, int]
    effects: Effects
    functions: LevelTwoFunctions | None
    flat: dict[str, np.ndarray]
    L: np.ndarray

    @classmethod
    def of(cls, raw, effects: Effects, functions: LevelTwoFunctions | None = None) -> Draws:
        """Read the sampler's output, of the collapsed or of the plain model."""
        post = raw.posterior
        shape = (post.sizes["chain"], post.sizes["draw"])
        flat = {k: v.to_numpy().reshape(-1, *v.shape[2:]) for k, v in post.items()}
        if functions is not None:
            L = effects.filled(level_two_factor(np, functions, flat["functions"])[0])
        else:
            L = (flat["L"] if "L" in flat else effects.factors(flat["factor"]))[:, None]
        return cls(shape, effects, functions, flat, L)


def chunks(S: int, width: int) -> Iterator[slice]:
    """Slices of S draws that keep arrays of ``width`` numbers a draw small."""
    step = max(1, CHUNK // width)
    return (slice(k, k + step) for k in range(0, S, step))


def inference_data(d: LocationScaleDesign, draws: Draws, raw, rng: np.random.Generator):
    """Posterior in the user's units, with named dimensions; the sampler's statistics are kept.

    Returns
    -------
    arviz.InferenceData
    """
    import arviz as az

    e, flat, scale = draws.effects, draws.flat, d.scaling.scale
    effect = flat["effect"] if "effect" in flat else _drawn_effects(d, draws, rng)
    names = [e.names[k] for k in e.mean_first]
    Omega = _omega(draws)
    sd = np.sqrt(np.diagonal(Omega, axis1=1, axis2=2))
    below = np.tril_indices(e.d, -1)
    posterior = {
        "beta": d.scaling.b0 + scale * flat["beta_s"] @ d.scaling.A.T,
        "alpha": flat["alpha_s"] @ d.A_w.T + 2.0 * np.log(scale) * d.ones,
        "Omega": Omega,
        "correlations": Omega[:, below[0], below[1]] / (sd[:, below[0]] * sd[:, below[1]]),
        "u": effect[:, :, e.r :] * e.unit[e.r :],
        "v": effect[:, :, : e.r] * e.unit[: e.r],
    }
    coords = {
        "coefficient": list(d.mean.x_names),
        "variance_coefficient": list(d.w_names),
        "effect": names,
        "effect_2": names,
        "pair": [f"{names[a]}, {names[b]}" for a, b in zip(*below, strict=True)],
        "cluster": list(d.mean.labels),
        "mean_effect": names[: e.q],
        "scale_effect": names[e.q :],
    }
    more, named = _beyond(draws, names[: e.q])
    out = az.from_dict(
        {k: x.reshape(*draws.shape, *x.shape[1:]) for k, x in (posterior | more).items()},
        coords=coords | named,
        dims=DIMS,
    )
    out.add_groups({"sample_stats": raw.sample_stats})
    return out


def _beyond(draws: Draws, mean_effects: list[str]) -> tuple[dict, dict]:
    """What only some models have, in the user's units, and the names of its elements."""
    e, flat, posterior, coords = draws.effects, draws.flat, {}, {}
    if "nu" in flat:
        posterior["nu"] = flat["nu"]
    if "functions" in flat:
        posterior["between"] = np.hstack(draws.functions.in_users_units(flat["functions"]))
        coords["function"] = [f"{a} | {b}" for a, b in draws.functions.labels]
    if "gamma" in flat:
        powers = np.repeat(np.arange(1, flat["gamma"].shape[1] // e.q + 1), e.q)
        posterior["association"] = flat["gamma"] / np.tile(e.unit[e.r :], powers[-1]) ** powers
        ends = ["" if k == 1 else f"^{k}" for k in range(1, powers[-1] + 1)]
        coords["power"] = [f"{SCALE}Intercept on {u}{end}" for end in ends for u in mean_effects]
    return posterior, coords


def _omega(draws: Draws) -> np.ndarray:
    """Omega (S, d, d) in the user's units, mean effects first, at average level-2 predictors."""
    if draws.functions is not None:
        return draws.functions.omega(draws.flat["functions"])[:, 0]
    e, L = draws.effects, draws.L[:, 0]
    Omega = (L @ L.transpose(0, 2, 1)) * np.outer(e.unit, e.unit)
    return Omega[:, e.mean_first][:, :, e.mean_first]


def _drawn_effects(d: LocationScaleDesign, draws: Draws, rng: np.random.Generator) -> np.ndarray:
    """Effects (S, J, d) in natural units: v from t, then u given v and the data."""
    weigh, e, flat = products(d.rows), draws.effects, draws.flat
    J, back = len(d.rows.n), np.linalg.inv(e.to_rows)
    out = np.empty((len(draws.L), J, e.d))
    for at in chunks(len(out), weigh.width):
        size = flat["precision"][at] ** -0.5 if "precision" in flat else 1.0
        R = e.to_rows @ draws.L[at]
        R = [[R[..., a, b] * size for b in range(e.d)] for a in range(e.d)]
        v, mu, Lu = spread(np, R, [flat[f"t_{k}"][at] for k in range(e.r)], e.q, J)
        weighed = weigh(np, flat["beta_s"][at], flat["alpha_s"][at], v)
        given = condition(np, weighed, weigh.n, mu, Lu)
        noise = list(rng.standard_normal((e.q, *given.logf.shape)))
        u = location_effects(given, mu, Lu, noise)
        out[at] = np.stack([*v, *u], axis=-1) @ back.T
    return out
