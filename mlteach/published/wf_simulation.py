"""The simulation of Walther, Hecht, Nagengast and Zitzmann on the multigroup model of wide data.

    y_ij = u_j + e_ij,    u_j ~ N(0, B),    e_ij ~ N(0, W_k),    k = 1, 2

Two groups of g/2 clusters each, n members a cluster, two variables. The covariance matrix B between
clusters is the same in both groups, that within clusters is not: variances ``between`` in B,
``1 - between`` in W_1 and ``(1 - between) / vr`` in W_2, where ``vr`` is the variance ratio. All
correlations are .3, all means 0. The fitted model knows which matrices are equal; the means are
free. 36 conditions cross two ratios, two variances between clusters, three n and three g.

Results of 1,000 replications of each condition are stored with the package: ``make simulation``
computes them again. Source of design and criteria: github.com/demianJK/WFmultigroup.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from mlteach.core.arguments import whole
from mlteach.data.shipped import folder
from mlteach.errors import ModelError
from mlteach.multigroup.fit import fit_multigroup
from mlteach.study.study import Study

VR, BETWEEN, N, G = (2, 5), (0.05, 0.25), (2, 10, 30), (200, 500, 1000)
CORRELATION = 0.3
VARIABLES = ("x1", "x2")
ELEMENTS = ("x1~~x1", "x1~~x2", "x2~~x2")
PARAMETERS = (
    *(f"within.{e}[1]" for e in ELEMENTS),
    *(f"within.{e}[2]" for e in ELEMENTS),
    *(f"between.{e}" for e in ELEMENTS),
)
SEED = 16
STORED = "wf_simulation.npz"
# The stored numbers are whole multiples of this, which packs them into a third of the space.
STEP = 1e-6
MISSING = np.iinfo(np.int32).min


def conditions() -> pd.DataFrame:
    """The 36 conditions.

    Returns
    -------
    DataFrame, indexed by condition, 1 to 36
        Columns vr (variance within clusters of group 1 over that of group 2), between (variance
        between clusters), n (members a cluster), g (clusters in both groups together).

    Examples
    --------
    >>> from mlteach.published.wf_simulation import conditions
    >>> conditions().loc[[1, 2, 36]]
               vr  between   n     g
    condition
    1           2     0.05   2   200
    2           2     0.25   2   200
    36          5     0.25  30  1000
    """
    rows = [(vr, between, n, g) for vr, g, n, between in product(VR, G, N, BETWEEN)]
    table = pd.DataFrame(rows, columns=["vr", "between", "n", "g"])
    return table.set_axis(pd.RangeIndex(1, len(table) + 1, name="condition"))


def draw_groups(
    rng: np.random.Generator, *, vr: float, between: float, n: int, g: int
) -> pd.DataFrame:
    """Draw one data set.

    Parameters
    ----------
    rng : numpy.random.Generator
    vr : float
        Variance within clusters of group 1 over that of group 2.
    between : float
        Variance between clusters, the same for both variables and in both groups.
    n : int
        Members of a cluster.
    g : int
        Clusters, half of them in each group.

    Returns
    -------
    DataFrame, one row a member
        Columns group (1 or 2), cluster (from 1), x1, x2.

    Raises
    ------
    ModelError
        If a variance is not positive, g is odd, or there are fewer than 2 members or clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from mlteach.published.wf_simulation import draw_groups
    >>> data = draw_groups(np.random.default_rng(1), vr=2, between=0.05, n=2, g=200)
    >>> data.groupby("group")["cluster"].nunique().tolist(), len(data)
    ([100, 100], 400)
    """
    _check(vr, between, n, g)
    # A variable of variance 1 times a root of its variance, and .3 of the one in the other.
    root = np.linalg.cholesky([[1.0, CORRELATION], [CORRELATION, 1.0]]).T
    of_group = np.sqrt([1.0 - between, (1.0 - between) / vr])
    group = np.repeat([0, 1], g // 2)
    u = np.sqrt(between) * rng.standard_normal((g, 1, 2)) @ root
    e = of_group[group][:, None, None] * (rng.standard_normal((g, n, 2)) @ root)
    x1, x2 = (u + e).reshape(g * n, 2).T
    cluster = np.repeat(np.arange(1, g + 1), n)
    return pd.DataFrame({"group": np.repeat(group + 1, n), "cluster": cluster, "x1": x1, "x2": x2})


def fit_groups(data: pd.DataFrame) -> pd.DataFrame:
    """Fit the model that drew the data: Between equal in the groups, Within and means free.

    Parameters
    ----------
    data : DataFrame
        As drawn by :func:`draw_groups`.

    Returns
    -------
    DataFrame, one row a variance or covariance
        Columns estimate, se, lower, upper (95%), indexed by ``PARAMETERS``.

    Examples
    --------
    >>> import numpy as np
    >>> from mlteach.published.wf_simulation import draw_groups, fit_groups
    >>> data = draw_groups(np.random.default_rng(1), vr=2, between=0.25, n=10, g=500)
    >>> fit_groups(data).loc["between.x1~~x1"].round(2).to_dict()
    {'estimate': 0.23, 'se': 0.02, 'lower': 0.19, 'upper': 0.26}
    """
    fit = fit_multigroup(VARIABLES, data, cluster="cluster", group="group")
    table = pd.DataFrame({"estimate": fit.params, "se": fit.bse}).join(fit.conf_int())
    return table.loc[list(PARAMETERS)].rename_axis("parameter")


def true_groups(table: pd.DataFrame | None = None) -> pd.Series:
    """True values, indexed by condition and parameter.

    Parameters
    ----------
    table : DataFrame, optional
        Conditions; all by default.
    """
    table = conditions() if table is None else table
    within = 1.0 - table["between"]
    sizes = (within, within / table["vr"], table["between"])
    shape = np.array([1.0, CORRELATION, 1.0])
    values = np.hstack([np.outer(size, shape) for size in sizes])
    frame = pd.DataFrame(values, index=table.index, columns=pd.Index(PARAMETERS, name="parameter"))
    return frame.rename_axis(index="condition").stack()


# ---------------------------------------------------------------------------------- the stored run


def stored_run() -> Study:
    """The stored run: 1,000 replications of each of the 36 conditions.

    Returns
    -------
    Study
        As ``run_study(draw_groups, fit_groups, 1000, SEED, conditions=conditions())`` gives it, but
        with six decimals; :func:`stored_seconds` tells how long that took.

    Examples
    --------
    >>> from mlteach.published.wf_simulation import stored_run
    >>> stored_run()
    <Study: 36 conditions of 1000 replications from seed 16, ... failed>
    """
    with np.load(folder() / STORED, allow_pickle=False) as arrays:
        estimate, se = (_unpacked(arrays[name]) for name in ("estimate", "se"))
        failed = arrays["failed_condition"], arrays["failed_replication"]
        texts, seed = arrays["failures"].tolist(), int(arrays["seed"])
    table = conditions()
    R = estimate.shape[1]
    levels = [table.index, pd.RangeIndex(R), pd.Index(PARAMETERS)]
    index = pd.MultiIndex.from_product(levels, names=["condition", "replication", "parameter"])
    half = 1.959963984540054 * se
    columns = {"estimate": estimate, "se": se, "lower": estimate - half, "upper": estimate + half}
    frame = pd.DataFrame({name: values.ravel() for name, values in columns.items()}, index=index)
    names = ["condition", "replication"]
    failures = pd.Series(
        texts, pd.MultiIndex.from_arrays(failed, names=names), name="failure", dtype=object
    )
    if len(failures):
        frame = frame[~frame.index.droplevel("parameter").isin(failures.index)]
    return Study(frame, failures, R, seed, table)


def stored_seconds() -> float:
    """Seconds of processor time that the stored run took, all processes together."""
    with np.load(folder() / STORED, allow_pickle=False) as arrays:
        return float(arrays["seconds"])


def store_run(study: Study, seconds: float) -> None:
    """Store a run of all conditions, and its processor time, where :func:`stored_run` reads it."""
    table = conditions()
    shape = len(table), study.replications, len(PARAMETERS)
    names = ["condition", "replication", "parameter"]
    full = pd.MultiIndex.from_product([table.index, range(shape[1]), PARAMETERS], names=names)
    values = study.estimates[["estimate", "se"]].reindex(full)
    at = study.failures.index
    np.savez_compressed(
        folder() / STORED,
        **{name: _packed(values[name].to_numpy().reshape(shape)) for name in values},
        failed_condition=at.get_level_values("condition").to_numpy(np.int64),
        failed_replication=at.get_level_values("replication").to_numpy(np.int64),
        failures=np.array(study.failures.tolist(), dtype=np.str_),
        seed=study.seed,
        seconds=seconds,
    )


def _packed(values: np.ndarray) -> np.ndarray:
    there = np.isfinite(values)
    return np.where(there, np.round(np.where(there, values, 0.0) / STEP), MISSING).astype(np.int32)


def _unpacked(values: np.ndarray) -> np.ndarray:
    return np.where(values == MISSING, np.nan, values * STEP)


def _check(vr: float, between: float, n: int, g: int) -> None:
    whole("n", n, 2)
    whole("g", g, 4)
    if g % 2:
        raise ModelError(f"g={g} clusters cannot be halved between two groups.")
    if not 0.0 <= between < 1.0:
        raise ModelError(f"between={between} is not a share of variance: it must be in [0, 1).")
    if not 0.0 < vr < np.inf:
        raise ModelError(f"vr={vr} is not a ratio of variances: it must be positive and finite.")
