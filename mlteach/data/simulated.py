"""Two-level data drawn from a model whose slopes are known, to see what an analysis makes of them.

    x_ij = m_j + d_ij,                                Var(m) = icc_x, Var(d) = 1 - icc_x
    y_ij = intercept + between m_j + within d_ij + u_j + e_ij

Everything drawn is normal and independent. ``m_j`` is the true mean of the cluster: the observed
one differs from it by the mean of the cluster's own ``d_ij``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlteach.core.arguments import checked, whole
from mlteach.errors import ModelError


@checked
def simulate_within_between(
    *,
    within: float,
    between: float,
    icc_x: float = 0.5,
    n_clusters: int = 20,
    cluster_size: int = 15,
    tau2: float = 0.1,
    sigma2: float = 0.2,
    intercept: float = 0.0,
    seed: int,
) -> pd.DataFrame:
    """Draw two-level data with a given slope within clusters and a given slope between them.

    Parameters
    ----------
    within : float
        Slope of y on x between units of the same cluster.
    between : float
        Slope of y on the true cluster means of x.
    icc_x : float, default 0.5
        Share of the variance of x, which is 1, between clusters; above 0 and below 1.
    n_clusters, cluster_size : int
        Clusters, and units in each.
    tau2, sigma2 : float
        Residual variance of y between clusters and within them; 0 puts y on the lines.
    intercept : float, default 0
        Expected y where x is 0, the mean of all clusters.
    seed : int
        The same seed draws the same data.

    Returns
    -------
    DataFrame
        Columns ``cluster`` (from 1), ``x`` and ``y``; one row a unit. ``attrs`` says that the data
        are simulated, and with what slopes.

    Raises
    ------
    ModelError
        If a share or variance is impossible, or there are fewer than 2 clusters or units in them.

    Examples
    --------
    >>> import mlteach as mt
    >>> data = mt.simulate_within_between(within=-1, between=2, seed=1)
    >>> data.shape, data.attrs["title"]
    ((300, 3), 'Simulated: slope -1 within clusters, 2 between them')
    >>> split = mt.center(data, "x", cluster="cluster")
    >>> fit = mt.fit_random_intercept("y ~ x_within + x_between", split, cluster="cluster")
    >>> fit.params.round(1).to_dict()
    {'Intercept': 0.1, 'x_within': -1.0, 'x_between': 1.9}
    """
    if not 0.0 < icc_x < 1.0:
        raise ModelError(
            f"icc_x={icc_x} is not between 0 and 1: x must vary within clusters and between them."
        )
    check_design(
        sizes={"n_clusters": n_clusters, "cluster_size": cluster_size},
        variances={"tau2": tau2, "sigma2": sigma2},
    )
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(n_clusters), cluster_size)
    m = np.sqrt(icc_x) * rng.standard_normal(n_clusters)[codes]
    d = np.sqrt(1.0 - icc_x) * rng.standard_normal(len(codes))
    u = np.sqrt(tau2) * rng.standard_normal(n_clusters)[codes]
    e = np.sqrt(sigma2) * rng.standard_normal(len(codes))
    y = intercept + between * m + within * d + u + e
    data = pd.DataFrame({"cluster": codes + 1, "x": m + d, "y": y})
    data.attrs = {
        "title": f"Simulated: slope {within:g} within clusters, {between:g} between them",
        "codebook": {
            "cluster": "Cluster (simulated)",
            "x": "Predictor x (simulated)",
            "y": "Outcome y (simulated)",
        },
    }
    return data


def check_design(sizes: dict[str, int], variances: dict[str, float]) -> None:
    """Refuse numbers of clusters or units below 2, and what is no variance.

    Raises
    ------
    ModelError
    """
    for name, value in variances.items():
        if not 0.0 <= value < np.inf:
            raise ModelError(f"{name}={value} is not a variance: it must be 0 or more, and finite.")
    for name, value in sizes.items():
        whole(name, value, 2)
