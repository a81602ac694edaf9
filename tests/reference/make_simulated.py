"""Write the awkward data sets of the reference suite to ``tests/reference/data``.

Each set is small, seeded and rounded to a few decimals, so that R, pandas and mpmath read the
same numbers. What makes each one awkward is said in its function's docstring.

Run ``python tests/reference/make_simulated.py``; the same bytes come out every time (NumPy's
PCG64 stream is stable across versions for ``normal``, ``uniform`` and ``integers``).
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent / "data"


def two_level(rng, sizes, tau, sigma, x, beta=(2.0, 0.5)):
    """Return a frame with cluster, x, y; y = beta0 + beta1 x + u0 + u1 x + e.

    ``tau`` is the 2 x 2 Cholesky factor of the covariance matrix of (u0, u1).
    """
    cluster = np.repeat(np.arange(1, len(sizes) + 1), sizes)
    u = rng.normal(size=(len(sizes), 2)) @ np.asarray(tau).T
    j = cluster - 1
    y = beta[0] + u[j, 0] + (beta[1] + u[j, 1]) * x + sigma * rng.normal(size=len(x))
    return pd.DataFrame({"cluster": cluster, "x": x, "y": y})


def offset(rng):
    """Both y and x sit on an offset of 1e6; random slope. Raw cross-products lose 12 digits."""
    sizes = np.full(40, 8)
    frame = two_level(rng, sizes, [[1.5, 0], [0.1, 0.4]], 1.0, rng.uniform(-5, 5, 320))
    frame["x"] = (frame["x"].round(3) + 1e6).round(3)
    frame["y"] = (frame["y"].round(4) + 1e6).round(4)
    return frame


def scale(rng):
    """One random-slope model in five units: x, x * 1e6, x * 1e-6, y * 1e6 and y * 1e-6."""
    sizes = rng.integers(4, 12, size=40)
    x = rng.normal(size=sizes.sum())
    frame = two_level(rng, sizes, [[1.0, 0], [0.2, 0.5]], 1.0, x).round(4)
    for column in ("x", "y"):
        frame[f"{column}_large"] = (frame[column] * 1e6).round(0)
        frame[f"{column}_small"] = (frame[column] * 1e-6).round(10)
    return frame


def icc_high(rng):
    """Intra-class correlation of .99999999: sigma2 is 1e-8 of the total variance."""
    cluster = np.repeat(np.arange(1, 21), 6)
    u = 10.0 * rng.normal(size=20)
    y = 50 + u[cluster - 1] + 1e-3 * rng.normal(size=120)
    return pd.DataFrame({"cluster": cluster, "y": y}).round(7)


def sizes(rng):
    """Forty clusters of size 1 beside one of 2,000 and a few between."""
    n = np.r_[np.ones(40, int), 2000, 300, 50, 20, 20, 10, 10, 5, 5, 2, 2, 2]
    x = rng.normal(size=n.sum())
    return two_level(rng, n, [[1.0, 0], [0.15, 0.3]], 2.0, x).round(3)


def constant_x(rng):
    """The predictor does not vary in a third of the clusters; random slope."""
    n = rng.integers(3, 10, size=45)
    cluster = np.repeat(np.arange(45), n)
    x = rng.normal(size=n.sum())
    level = rng.normal(size=45)
    x = np.where(cluster % 3 == 0, level[cluster], x).round(3)
    return two_level(rng, n, [[1.2, 0], [0.2, 0.6]], 1.0, x).round(3)


def correlation_one(rng):
    """Slopes are an exact multiple of intercepts: the estimated correlation is 1."""
    n = np.full(30, 10)
    x = rng.normal(size=300)
    return two_level(rng, n, [[1.0, 0], [0.5, 0.0]], 1.5, x).round(3)


def correlation_minus_one(rng):
    """As ``correlation_one`` with the sign turned and unequal clusters."""
    n = rng.integers(2, 15, size=30)
    x = rng.uniform(0, 4, size=n.sum())
    return two_level(rng, n, [[2.0, 0], [-0.4, 0.0]], 1.5, x).round(3)


def five_clusters(rng):
    """Five clusters only: degrees of freedom matter most here."""
    n = np.array([4, 7, 9, 12, 6])
    x = rng.normal(size=n.sum())
    frame = two_level(rng, n, [[1.0, 0], [0.1, 0.3]], 1.0, x).round(3)
    frame["w"] = np.array([0.2, -1.1, 0.7, 1.4, -0.6])[frame["cluster"] - 1]
    return frame


def latent(rng):
    """Forty clusters of one to nine rows; x and z have parts at both levels, w one at level 2."""
    n = np.r_[np.ones(6, int), rng.integers(2, 10, size=34)]
    cluster = np.repeat(np.arange(40), n)
    between = rng.normal(size=(40, 3)) @ np.array([[0.8, 0, 0], [0.3, 0.5, 0], [0.2, 0.1, 0.9]]).T
    within = rng.normal(size=(n.sum(), 2)) @ np.array([[1.0, 0], [0.3, 0.7]]).T
    x, z = (between[cluster, :2] + within).T
    x, z, w = x + 5, z - 2, between[cluster, 2]
    y = within @ [0.5, -0.4] + (between @ [1.5, 0.2, 0.6] + 0.7 * rng.normal(size=40))[cluster]
    y = y + 3 + rng.normal(size=n.sum())
    return pd.DataFrame({"cluster": cluster + 1, "x": x, "z": z, "w": w, "y": y}).round(3)


def repelled(rng):
    """Cluster means of x lie closer together than chance: its variance between is negative."""
    n = rng.integers(3, 9, size=30)
    cluster = np.repeat(np.arange(30), n)
    x = rng.normal(size=n.sum())
    means = np.bincount(cluster, x) / n
    return two_level(rng, n, [[0.9, 0], [0.0, 0.0]], 1.0, x - 0.4 * means[cluster]).round(3)


def covariance(variances, correlation):
    """Return the covariance matrix with these variances and one correlation for all pairs."""
    sd = np.sqrt(variances)
    return np.outer(sd, sd) * np.where(np.eye(len(sd)), 1.0, correlation)


def clusters_in_groups(rng, sizes, within, between, means):
    """Return a frame with group, cluster, x1, x2, …; each argument has one item a group.

    ``sizes`` has the size of each cluster, ``within`` and ``between`` are covariance matrices.
    """
    frames, first = [], 1
    for g, n in enumerate(sizes):
        j = np.repeat(np.arange(len(n)), n)
        p = len(means[g])
        u = means[g] + rng.normal(size=(len(n), p)) @ np.linalg.cholesky(between[g]).T
        x = u[j] + rng.normal(size=(len(j), p)) @ np.linalg.cholesky(within[g]).T
        names = [f"x{k + 1}" for k in range(p)]
        frame = pd.DataFrame(x, columns=names)
        frame.insert(0, "cluster", first + j)
        frame.insert(0, "group", "ABCD"[g])
        frames.append(frame)
        first += len(n)
    return pd.concat(frames, ignore_index=True)


def multigroup(rng):
    """Four groups of 60, 45, 50 and 40 clusters of three rows; four variables."""
    sizes = [np.full(g, 3) for g in (60, 45, 50, 40)]
    within = [covariance(v * np.array([0.8, 1.5, 2.0, 0.6]), 0.3) for v in (1.0, 0.5, 1.6, 0.8)]
    between = [covariance(v * np.array([0.5, 0.9, 0.7, 0.4]), 0.35) for v in (1.0, 1.3, 0.8, 1.0)]
    means = [np.array([0.0, 5.0, -3.0, 20.0]) + d for d in (0.0, 0.3, -0.2, 0.1)]
    return clusters_in_groups(rng, sizes, within, between, means).round(3)


def multigroup_unbalanced(rng):
    """Two groups, clusters of one to five rows; y1 to y3 are x1 to x3 with a fifth missing.

    Every pattern of missing values occurs; nothing is observed in clusters 5 and 70.
    """
    sizes = [rng.integers(1, 6, size=g) for g in (60, 50)]
    within = [covariance(v * np.array([1.0, 1.4, 0.8]), 0.3) for v in (1.0, 0.6)]
    between = [covariance(np.array([0.6, 0.8, 0.5]), 0.4) for _ in (0, 1)]
    means = [np.array([1.0, -2.0, 10.0]), np.array([1.4, -2.3, 10.0])]
    frame = clusters_in_groups(rng, sizes, within, between, means).round(3)
    observed = rng.uniform(size=(len(frame), 3)) < 0.8
    observed[frame["cluster"].isin([5, 70])] = False
    holes = frame[["x1", "x2", "x3"]].where(observed).to_numpy()
    return frame.assign(**{f"y{k + 1}": holes[:, k] for k in range(3)})


def multigroup_repelled(rng):
    """Cluster means of x1 lie closer together than chance in both groups; clusters of three."""
    sizes = [np.full(g, 3) for g in (40, 35)]
    within = [covariance(v * np.array([1.0, 1.2]), 0.2) for v in (1.0, 0.5)]
    between = [np.diag([0.01, 0.5])] * 2
    frame = clusters_in_groups(rng, sizes, within, between, [np.array([3.0, -1.0])] * 2)
    means = frame.groupby("cluster")["x1"].transform("mean")
    return frame.assign(x1=3 + frame["x1"] - 0.7 * means).round(3)


def multigroup_positions(rng):
    """Two groups of people measured three times; means and variances differ between occasions.

    y1 and y2 are x1 and x2 with an eighth missing.
    """
    sizes = [np.full(g, 3) for g in (60, 50)]
    within = [covariance(v * np.array([1.0, 0.8]), 0.3) for v in (1.0, 0.7)]
    between = [covariance(np.array([1.0, 0.6]), 0.5) for _ in (0, 1)]
    frame = clusters_in_groups(rng, sizes, within, between, [np.zeros(2)] * 2)
    person = frame.groupby("cluster")[["x1", "x2"]].transform("mean")
    at = frame.groupby("cluster").cumcount().to_numpy()
    stretch = np.array([1.0, 1.3, 1.7])[at, None]
    x = person + stretch * (frame[["x1", "x2"]] - person) + np.array([2.0, 2.6, 2.8])[at, None]
    frame[["x1", "x2"]] = x.round(3)
    frame.insert(2, "occasion", np.array(["pre", "post", "follow"])[at])
    holes = frame[["x1", "x2"]].where(rng.uniform(size=x.shape) < 0.875).to_numpy()
    return frame.assign(y1=holes[:, 0], y2=holes[:, 1])


SETS: dict[str, tuple[Callable, int]] = {
    "offset": (offset, 20260801),
    "scale": (scale, 20260802),
    "icc_high": (icc_high, 20260803),
    "sizes": (sizes, 20260804),
    "constant_x": (constant_x, 20260805),
    "correlation_one": (correlation_one, 20260806),
    "correlation_minus_one": (correlation_minus_one, 20260813),
    "five_clusters": (five_clusters, 20260808),
    "latent": (latent, 20260810),
    "repelled": (repelled, 20260811),
    "multigroup": (multigroup, 20261101),
    "multigroup_unbalanced": (multigroup_unbalanced, 20261102),
    "multigroup_repelled": (multigroup_repelled, 20261103),
    "multigroup_positions": (multigroup_positions, 20261104),
}


def main():
    """Write every set; the file format is plain CSV with Unix line ends."""
    HERE.mkdir(exist_ok=True)
    for name, (make, seed) in SETS.items():
        frame = make(np.random.default_rng(seed))
        frame.to_csv(HERE / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
