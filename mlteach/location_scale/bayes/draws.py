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
    beta, alpha : ndarray, shapes (S, p), (S, k)
    L : ndarray, shape (S, 1, d, d) or (S, J, d, d)
        Natural units, scale effects first; of each cluster if there are level-2 functions.
    t : list of r ndarrays, shape (S, J)
    size : ndarray, shape (S, J), or None
        Factor of a cluster's effects, for t-distributed ones.
    effect : ndarray, shape (S, J, d), or None
        Sampled effects in natural units, scale effects first; None if u was integrated out.
    nu : ndarray, shape (S,), or None
    functions : LevelTwoFunctions or None
        In natural units.
    between : ndarray, shape (S, m), or None
        Their coefficients.
    gamma : ndarray, shape (S, degree q), or None
        Coefficients of the location effects in the log variance, natural units.
    """

    shape: tuple[int, int]
    effects: Effects
    beta: np.ndarray
    alpha: np.ndarray
    L: np.ndarray
    t: list[np.ndarray]
    size: np.ndarray | None
    effect: np.ndarray | None
    nu: np.ndarray | None
    functions: LevelTwoFunctions | None = None
    between: np.ndarray | None = None
    gamma: np.ndarray | None = None

    @classmethod
    def of(cls, raw, effects: Effects, functions: LevelTwoFunctions | None = None) -> Draws:
        """Read the sampler's output, of the collapsed or of the plain model."""
        post = raw.posterior
        shape = (post.sizes["chain"], post.sizes["draw"])
        flat = {k: v.to_numpy().reshape(-1, *v.shape[2:]) for k, v in post.items()}
        precision = flat.get("precision")
        return cls(
            shape,
            effects,
            flat["beta_s"],
            flat["alpha_s"],
            _factors(flat, effects, functions),
            [flat[f"t_{k}"] for k in range(effects.r) if f"t_{k}" in flat],
            None if precision is None else precision**-0.5,
            flat.get("effect"),
            flat.get("nu"),
            functions,
            flat.get("functions"),
            flat.get("gamma"),
        )

    def chunks(self, width: int) -> Iterator[slice]:
        """Slices of draws that keep arrays of ``width`` numbers a draw small."""
        step, S = max(1, CHUNK // width), len(self.beta)
        return (slice(k, min(k + step, S)) for k in range(0, S, step))


def _factors(flat, effects: Effects, functions: LevelTwoFunctions | None) -> np.ndarray:
    """L (S, 1 or J, d, d) as the model has sampled it."""
    if functions is None:
        L = flat["L"] if "L" in flat else effects.factors(flat["factor"])
        return L[:, None]
    return effects.filled(level_two_factor(np, functions, flat["functions"])[0])


def inference_data(d: LocationScaleDesign, draws: Draws, raw, rng: np.random.Generator):
    """Posterior in the user's units, with named dimensions; the sampler's statistics are kept.

    Returns
    -------
    arviz.InferenceData
    """
    import arviz as az

    e, scale = draws.effects, d.scaling.scale
    effect = _drawn_effects(d, draws, rng) if draws.effect is None else draws.effect
    names = [e.names[k] for k in e.mean_first]
    Omega = _omega(draws)
    sd = np.sqrt(np.diagonal(Omega, axis1=1, axis2=2))
    below = np.tril_indices(e.d, -1)
    posterior = {
        "beta": d.scaling.b0 + scale * draws.beta @ d.scaling.A.T,
        "alpha": draws.alpha @ d.A_w.T + 2.0 * np.log(scale) * d.ones,
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
    e, posterior, coords = draws.effects, {}, {}
    if draws.nu is not None:
        posterior["nu"] = draws.nu
    if draws.between is not None:
        posterior["between"] = np.hstack(draws.functions.in_users_units(draws.between))
        coords["function"] = [f"{a} | {b}" for a, b in draws.functions.labels]
    if draws.gamma is not None:
        powers = np.repeat(np.arange(1, draws.gamma.shape[1] // e.q + 1), e.q)
        posterior["association"] = draws.gamma / np.tile(e.unit[e.r :], powers[-1]) ** powers
        ends = ["" if k == 1 else f"^{k}" for k in range(1, powers[-1] + 1)]
        coords["power"] = [f"{SCALE}Intercept on {u}{end}" for end in ends for u in mean_effects]
    return posterior, coords


def _omega(draws: Draws) -> np.ndarray:
    """Omega (S, d, d) in the user's units, mean effects first, at average level-2 predictors."""
    if draws.functions is not None:
        return draws.functions.omega(draws.between)[:, 0]
    e, L = draws.effects, draws.L[:, 0]
    Omega = (L @ L.transpose(0, 2, 1)) * np.outer(e.unit, e.unit)
    return Omega[:, e.mean_first][:, :, e.mean_first]


def _drawn_effects(d: LocationScaleDesign, draws: Draws, rng: np.random.Generator) -> np.ndarray:
    """Effects (S, J, d) in natural units: v from t, then u given v and the data."""
    weigh, e = products(d.rows), draws.effects
    J, back = len(d.rows.n), np.linalg.inv(e.to_rows)
    out = np.empty((len(draws.beta), J, e.d))
    for at in draws.chunks(weigh.width):
        size = 1.0 if draws.size is None else draws.size[at]
        R = e.to_rows @ draws.L[at]
        R = [[R[..., a, b] * size for b in range(e.d)] for a in range(e.d)]
        v, mu, Lu = spread(np, R, [t[at] for t in draws.t], e.q, J)
        given = condition(np, weigh(np, draws.beta[at], draws.alpha[at], v), weigh.n, mu, Lu)
        noise = list(rng.standard_normal((e.q, *given.logf.shape)))
        u = location_effects(given, mu, Lu, noise)
        out[at] = np.stack([*v, *u], axis=-1) @ back.T
    return out
