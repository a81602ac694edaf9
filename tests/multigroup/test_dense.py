"""The multigroup likelihood against the literal ones, and what must not change it.

Three ways of writing it down: all rows of a cluster as one normal vector with the missing entries
deleted; the wide table, Lambda Between Lambda' + Theta, row by row; and for complete balanced data
the wide table's means and covariance matrix. All take complex numbers, so that a step along the
imaginary axis gives derivatives without rounding.
"""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mlteach as mt
from mlteach.multigroup.deviance import GroupDeviance, MultigroupDeviance
from mlteach.multigroup.moments import group_moments
from mlteach.multigroup.two_level_normal import fit_two_level_normal

# Tolerances with their reasons.
DENSE = 1e-8  # relative: the promise; matrices of cluster size lose some digits themselves
GRADIENT = 1e-9  # relative to the largest; complex steps on both sides
HESSIAN = 1e-6  # relative to the largest; central differences of the dense gradient
LOGL = 1e-8  # relative, of two fits of the same thing
SAME = 1e-6  # of a standard error, between two fits of the same thing
BOUND = 2e-6  # absolute; a barrier keeps off the bound, and the other search crawls near it
SIZES = [(p, K) for p in range(1, 5) for K in range(1, 4)]


# ---- the literal likelihoods --------------------------------------------------------------------
def normal(y, mean, V):
    """Minus twice the log-density of the entries of y that are there."""
    here = ~np.isnan(y)
    d, V = (y - mean)[here], V[np.ix_(here, here)]
    sign, log = np.linalg.slogdet(V)
    return here.sum() * np.log(2 * np.pi) + log + np.log(sign) + d @ np.linalg.solve(V, d)


def by_cluster(Y, codes, cells, mu, within, between):
    """All rows of a cluster written out as one normal vector."""
    total = 0.0
    for j in np.unique(codes):
        rows, at = Y[codes == j], cells[codes == j]
        n, p = rows.shape
        V = np.kron(np.ones((n, n)), between)
        for i, c in enumerate(at):
            V[i * p : (i + 1) * p, i * p : (i + 1) * p] += within[c]
        total = total + normal(rows.ravel(), mu[at].ravel(), V)
    return total


def normal_matrix(Y, codes, cells, j, within, between):
    """Covariance matrix of the entries of cluster j that are there."""
    rows, at = Y[codes == j], cells[codes == j]
    n, p = rows.shape
    V = np.kron(np.ones((n, n)), between)
    for i, c in enumerate(at):
        V[i * p : (i + 1) * p, i * p : (i + 1) * p] += within[c]
    here = ~np.isnan(rows.ravel())
    return V[np.ix_(here, here)]


def wide_table(Y, codes, cells, C):
    """One row a cluster; members in the order of the rows, or at their position."""
    order = cells if C > 1 else pd.Series(codes).groupby(codes).cumcount().to_numpy()
    n, p = (C if C > 1 else order.max() + 1), Y.shape[1]
    table = np.full((codes.max() + 1, n, p), np.nan)
    table[codes, order] = Y
    return table.reshape(len(table), n * p)


def by_wide_row(Y, codes, cells, mu, within, between):
    """Factor model of the wide table: Lambda Between Lambda' + Theta, row by row."""
    C, p = mu.shape
    table = wide_table(Y, codes, cells, C)
    n = table.shape[1] // p
    at = range(C) if C > 1 else [0] * n
    loadings = np.tile(np.eye(p), (n, 1))
    Theta = np.zeros((n * p, n * p), within.dtype)
    for i, c in enumerate(at):
        Theta[i * p : (i + 1) * p, i * p : (i + 1) * p] = within[c]
    mean, V = mu[list(at)].ravel(), loadings @ between @ loadings.T + Theta
    return sum(normal(row, mean, V) for row in table)


def by_moments(Y, codes, cells, mu, within, between):
    """g [log|V| + tr(S V^-1) + (m - mu)' V^-1 (m - mu) + p n log 2 pi]: complete balanced data."""
    table = wide_table(Y, codes, cells, len(mu))
    g, columns = table.shape
    n = columns // Y.shape[1]
    m, S = table.mean(axis=0), np.cov(table.T, bias=True).reshape(columns, columns)
    V = np.kron(np.ones((n, n)), between) + np.kron(np.eye(n), within[0])
    d, inverse = m - np.tile(mu[0], n), np.linalg.inv(V)
    log = np.linalg.slogdet(V)[1]
    return g * (log + np.trace(S @ inverse) + d @ inverse @ d + columns * np.log(2 * np.pi))


# ---- problems -----------------------------------------------------------------------------------
def one_group(rng, p, J=9, sizes=(1, 5), C=1, missing=True):
    """Return rows, cluster codes and cells of a group; with ``missing`` every pattern occurs."""
    n = np.full(J, C) if C > 1 else rng.integers(sizes[0], sizes[1] + 1, J)
    n[0] = max(n[0], 2)
    codes = np.repeat(np.arange(J), n)
    cells = np.concatenate([rng.permutation(C) for _ in n]) if C > 1 else np.zeros(len(codes), int)
    Y = rng.normal(size=(J, p))[codes] + rng.normal(size=(len(codes), p)) @ rng.normal(size=(p, p))
    if missing:
        patterns = np.array([m for m in product([False, True], repeat=p) if not all(m)])
        holes = patterns[rng.integers(len(patterns), size=len(Y))]
        holes[: len(patterns)] = patterns[: len(Y)]
        Y = np.where(holes, np.nan, Y)
    return Y, codes, cells


def parameters(rng, p, C, indefinite=False):
    """Return means, Within and Between; indefinite but possible, or positive definite."""
    root = rng.normal(size=(C + 1, p, p))
    matrices = root @ root.transpose(0, 2, 1) + 0.5 * np.eye(p)
    between = matrices[C] - (np.linalg.eigvalsh(matrices[C])[0] + 0.03) * np.eye(p) * indefinite
    return rng.normal(size=(C, p)), matrices[:C], between


def packed(mu, within, between):
    """The parameters of a group in the order of the engine."""
    low = np.tril_indices(mu.shape[1])
    return np.concatenate([mu.ravel(), *(W[low] for W in within), between[low]])


def unpacked(theta, C, p):
    """Back from the order of the engine, by hand."""
    low, m = np.tril_indices(p), p * (p + 1) // 2
    matrices = []
    for k in range(C + 1):
        M = np.zeros((p, p), theta.dtype)
        M[low] = theta[C * p + k * m : C * p + (k + 1) * m]
        matrices.append(M + M.T - np.diag(np.diag(M)))
    return theta[: C * p].reshape(C, p), np.array(matrices[:C]), matrices[C]


def dense_gradient(rows, theta, C, likelihood=by_cluster):
    """Derivatives by imaginary steps."""
    p, step = rows[0].shape[1], 1e-25
    out = []
    for e in np.eye(len(theta)):
        out.append(likelihood(*rows, *unpacked(theta + 1j * step * e, C, p)).imag / step)
    return np.array(out)


# ---- value --------------------------------------------------------------------------------------
@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize("C", [1, 3])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3, 4])
def test_value_of_a_group(p, missing, C, indefinite):
    rng = np.random.default_rng([p, missing, C, indefinite])
    for _ in range(3):
        rows = one_group(rng, p, J=12, C=C, missing=missing)
        truth = parameters(rng, p, C, indefinite)
        ours = GroupDeviance(group_moments(*rows)).value_and_gradient(packed(*truth))[0]
        assert np.isclose(ours, by_cluster(*rows, *truth), rtol=DENSE)
        assert np.isclose(ours, by_wide_row(*rows, *truth), rtol=DENSE)


@pytest.mark.parametrize("p", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_value_on_balanced_data_from_the_wide_moments(p, n):
    rng = np.random.default_rng([p, n])
    rows = one_group(rng, p, J=30, sizes=(n, n), missing=False)
    if n == 1:
        rows = tuple(part[1:] for part in rows)
        rows = (rows[0], rows[1] - rows[1].min(), rows[2])
    truth = parameters(rng, p, 1)
    ours = GroupDeviance(group_moments(*rows)).value_and_gradient(packed(*truth))[0]
    assert np.isclose(ours, by_moments(*rows, *truth), rtol=DENSE)


@pytest.mark.parametrize("p", [2, 3, 4])
def test_each_pattern_of_missing_values_alone(p):
    for k, pattern in enumerate(product([False, True], repeat=p)):
        if all(pattern):
            continue
        rng = np.random.default_rng([p, k])
        Y, codes, cells = one_group(rng, p, missing=False)
        # That pattern in the first row of each cluster, in every row of the second.
        first = np.r_[True, np.diff(codes) > 0] | (codes == 1)
        Y = np.where(first[:, None] & np.array(pattern), np.nan, Y)
        truth = parameters(rng, p, 1)
        ours = GroupDeviance(group_moments(Y, codes, cells)).value_and_gradient(packed(*truth))[0]
        assert np.isclose(ours, by_cluster(Y, codes, cells, *truth), rtol=DENSE)


def test_impossible_matrices_have_no_likelihood():
    rng = np.random.default_rng(5)
    rows = one_group(rng, 2, J=12)
    deviance = GroupDeviance(group_moments(*rows))
    mu, within, _ = parameters(rng, 2, 1)
    for share, possible in ((0.98, True), (1.02, False)):
        # The largest cluster's covariance matrix is singular at -Within / n; complete rows only.
        n = np.bincount(rows[1][~np.isnan(rows[0]).any(axis=1)]).max()
        theta = packed(mu, within, -share * within[0] / n)
        value, _ = deviance.value_and_gradient(theta)
        complete = [part[~np.isnan(rows[0]).any(axis=1)] for part in rows]
        alone = GroupDeviance(group_moments(complete[0], pd.factorize(complete[1])[0], complete[2]))
        assert np.isfinite(alone.value_and_gradient(theta)[0]) == possible
        assert possible or value == np.inf
    assert deviance.value_and_gradient(packed(mu, -within, within[0]))[0] == np.inf


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("p", [1, 2, 3])
def test_within_of_a_position_may_be_indefinite(p, missing):
    # What must be positive definite is the covariance matrix of the cluster.
    rng = np.random.default_rng([p, missing, 7])
    possible = []
    for _ in range(40):
        rows = one_group(rng, p, J=6, C=3, missing=missing)
        mu, within, between = parameters(rng, p, 3)
        within[1] = within[1] - rng.uniform(0, 2) * between
        deviance = GroupDeviance(group_moments(*rows))
        ours = deviance.value_and_gradient(packed(mu, within, between))[0]
        everyone = [normal_matrix(*rows, j, within, between) for j in range(6)]
        possible.append(min(np.linalg.eigvalsh(V)[0] for V in everyone) > 0)
        assert np.isfinite(ours) == possible[-1]
        if possible[-1]:
            assert np.isclose(ours, by_cluster(*rows, mu, within, between), rtol=DENSE)
            theta = packed(mu, within, between)
            expected = dense_gradient(rows, theta, 3)
            away = np.abs(deviance.value_and_gradient(theta)[1] - expected).max()
            assert away < DENSE * np.abs(expected).max()
    assert {True, False} == set(possible)


def test_a_variance_within_below_zero_is_found():
    # Twice measured, the spread grows: the covariance is larger than the first variance.
    rng = np.random.default_rng(1)
    u, e = rng.normal(size=300), 0.4 * rng.normal(size=(2, 300))
    x = np.column_stack([0.9 * u + e[0], 2.5 * (0.9 * u + e[1])])
    ids = {"person": np.repeat(np.arange(300), 2), "time": np.tile(["pre", "post"], 300)}
    data = pd.DataFrame(ids).assign(x=x.ravel())
    fit = mt.fit_multigroup(["x"], data, cluster="person", position="time")
    # Five parameters for two means and three covariances: saturated.
    S = np.cov(x.T, bias=True)
    saturated = -150 * (2 * (1 + np.log(2 * np.pi)) + np.linalg.slogdet(S)[1])
    assert fit.converged
    assert np.isclose(fit.llf, saturated, rtol=LOGL)
    expected = {"within.x~~x@pre": S[0, 0] - S[0, 1], "within.x~~x@post": S[1, 1] - S[0, 1]}
    assert expected["within.x~~x@pre"] < 0
    for name, value in expected.items():
        assert np.isclose(fit.params[name], value, rtol=1e-6)
    assert fit.parameters.loc["within.x~~x@pre", "flag"] == "negative variance"


# ---- derivatives --------------------------------------------------------------------------------
@pytest.mark.parametrize("C", [1, 2])
@pytest.mark.parametrize(("p", "K"), SIZES)
def test_gradient_and_hessian(p, K, C):
    rng = np.random.default_rng([p, K, C])
    groups = [one_group(rng, p, J=8, C=C, missing=p > 1) for _ in range(K)]
    size = GroupDeviance(group_moments(*groups[0])).size
    # Groups share their last parameters, among them all of Between.
    shared = size // 2
    own = size - shared
    index = [np.r_[k * own + np.arange(own), K * own + np.arange(shared)] for k in range(K)]
    deviance = MultigroupDeviance([GroupDeviance(group_moments(*g)) for g in groups], index)
    first = [packed(*parameters(rng, p, C)) for _ in range(K)]
    theta = np.empty(K * own + shared)
    for at, part in zip(index, first, strict=True):
        theta[at] = np.r_[part[:own], first[0][own:]]
    if own > C * p:  # the part of Within that is not shared must fit to the rest
        for at in index:
            theta[at[C * p : own]] = first[0][C * p : own]

    def dense(theta):
        out = np.zeros(len(theta))
        for at, rows in zip(index, groups, strict=True):
            np.add.at(out, at, dense_gradient(rows, theta[at], C))
        return out

    value, gradient = deviance.value_and_gradient(theta)
    total = sum(
        by_cluster(*g, *unpacked(theta[at], C, p)) for at, g in zip(index, groups, strict=True)
    )
    assert np.isclose(value, total, rtol=DENSE)
    expected = dense(theta)
    assert np.abs(gradient - expected).max() < GRADIENT * np.abs(expected).max()
    step = 1e-5
    # A few directions are enough: the Hessian along random ones.
    for direction in rng.normal(size=(3, len(theta))):
        along = (dense(theta + step * direction) - dense(theta - step * direction)) / (2 * step)
        ours = deviance.hessian(theta) @ direction
        assert np.abs(ours - along).max() < HESSIAN * np.abs(along).max()


# ---- fits ---------------------------------------------------------------------------------------
def frame(seed, p=2, K=2, J=25, missing=0.15, sizes=(1, 6), C=0):
    """Return a long table: group, cluster, x1, ...; with C occasions of each cluster if asked."""
    rng = np.random.default_rng(seed)
    n = np.full(K * J, C) if C else rng.integers(sizes[0], sizes[1] + 1, K * J)
    # Between may get negative eigenvalues, and with one cluster of the largest size the likelihood
    # has no upper limit: its mean can be met exactly. So many clusters are the largest.
    n[:: 1 if C else 3] = C or sizes[1]
    cluster = np.repeat(np.arange(K * J), n)
    root = np.eye(p) + 0.5 * np.triu(rng.normal(size=(2, p, p)), 1)
    u, e = rng.normal(size=(K * J, p)) @ root[0], rng.normal(size=(len(cluster), p)) @ root[1]
    Y = u[cluster] + e
    Y = (Y + np.arange(p)) * (1 + 0.3 * (cluster // J))[:, None]
    Y[rng.uniform(size=Y.shape) < missing] = np.nan
    data = pd.DataFrame(Y, columns=[f"x{k + 1}" for k in range(p)])
    data.insert(0, "cluster", cluster)
    data.insert(0, "group", np.array(list("ABCD"))[cluster // J])
    if C:
        data.insert(2, "time", np.tile(np.arange(C), K * J))
    return data


def variables(data):
    return [name for name in data if name.startswith("x")]


def fitted(data, **settings):
    """Fit with the columns of :func:`frame`."""
    group = "group" if data["group"].nunique() > 1 else None
    return mt.fit_multigroup(variables(data), data, cluster="cluster", group=group, **settings)


def dense_deviance(fit, params):
    """The literal likelihood of the table of a fit, at any parameters by name."""
    data, total, p = fit.data, 0.0, len(fit.variables)
    units = data.scale, data.offset
    positions = fit.model.positions or ("",)
    for k, group in enumerate(fit.groups):
        Y, codes, cells, *_ = data.parts[k]
        Y = Y * units[0] + units[1]

        def value(level, left, right="", at="", group=group):
            what = left if level == "mean" else f"{left}~~{right}"
            name = f"{level}.{what}" + (f"@{at}" if at != "" else "")
            return params[name if name in params.index else f"{name}[{group}]"]

        def matrix(level, at="", value=value):
            out = np.empty((p, p), params.dtype)
            for i, a in enumerate(fit.variables):
                for j, b in enumerate(fit.variables[: i + 1]):
                    out[i, j] = out[j, i] = value(level, b, a, at)
            return out

        mu = np.array([[value("mean", v, at=at) for v in fit.variables] for at in positions])
        within = np.array([matrix("within", at) for at in positions])
        truth = (mu, within, matrix("between"))
        total = total + by_cluster(Y, codes, cells, *truth)
    return total


FITS = [
    {"p": 1, "K": 1},
    {"p": 2, "K": 1},
    {"p": 3, "K": 2},
    {"p": 2, "K": 3, "within": "equal"},
    {"p": 2, "K": 2, "between": "free"},
    {"p": 3, "K": 3, "within": "equal", "between": "equal", "means": "equal"},
    {"p": 2, "K": 2, "between": "free", "equal": ["between.x1~~x2", "mean.x2", "within.x1~~x1"]},
    {"p": 4, "K": 2, "missing": 0.05},
    {"p": 1, "K": 2, "C": 3},
    {"p": 2, "K": 2, "C": 2, "within": "equal", "means": "equal"},
    {"p": 2, "K": 3, "C": 3, "between": "free"},
]


@pytest.mark.parametrize("case", FITS, ids=str)
def test_fit_is_at_the_maximum_of_the_dense_likelihood(case):
    shape = {k: v for k, v in case.items() if k in ("p", "K", "C", "missing")}
    wanted = {k: v for k, v in case.items() if k not in shape}
    if "C" in case:
        wanted["position"] = "time"
    fit = fitted(frame(11, J=60, **shape), **wanted)
    assert fit.converged
    assert np.isclose(dense_deviance(fit, fit.params), fit.deviance, rtol=DENSE)
    assert np.isclose(fit.llf, -fit.deviance / 2)
    # An estimate that is off by e standard errors has a slope of 2 e per standard error.
    assert np.abs(dense_slopes(fit, fit.params)).max() < 2 * SAME


def dense_slopes(fit, params):
    """Derivatives of the dense deviance in units of standard errors."""
    out = []
    for name in params.index:
        moved = params.astype(complex)
        moved[name] += 1e-25j
        out.append(dense_deviance(fit, moved).imag / 1e-25 * fit.bse[name])
    return np.array(out)


@pytest.mark.parametrize("case", FITS[2:7:2], ids=str)
def test_standard_errors_are_those_of_the_dense_likelihood(case):
    shape = {k: v for k, v in case.items() if k in ("p", "K")}
    fit = fitted(frame(12, J=15, **shape), **{k: v for k, v in case.items() if k not in shape})
    precision = np.linalg.inv(fit.cov_params()) * np.outer(fit.bse, fit.bse)
    for direction in np.random.default_rng(1).normal(size=(2, len(fit.params))):
        step = 1e-4 * direction * fit.bse
        ends = [dense_slopes(fit, fit.params + sign * step) for sign in (1, -1)]
        along = (ends[0] - ends[1]) / 4e-4  # half of the deviance's curvature
        assert np.abs(precision @ direction - along).max() < HESSIAN * np.abs(along).max()


# ---- what is the same model ---------------------------------------------------------------------
def test_one_variable_is_the_empty_model():
    data = frame(3, p=1, K=1, J=40)
    ours, mixed = fitted(data), mt.fit_empty("x1", data.dropna(), cluster="cluster", reml=False)
    assert np.isclose(ours.llf, mixed.llf, rtol=LOGL)
    assert np.isclose(ours.params["between.x1~~x1"], mixed.tau.iloc[0, 0], rtol=1e-6)
    assert np.isclose(ours.params["within.x1~~x1"], mixed.sigma2, rtol=1e-6)


@pytest.mark.parametrize("p", [1, 2, 4])
def test_one_group_with_complete_data_is_the_saturated_two_level_model(p):
    data = frame(4, p=p, K=1, J=40, missing=0)
    fit = fitted(data)
    codes = data["cluster"].to_numpy()
    Y = data[variables(data)].to_numpy()
    other = fit_two_level_normal(Y, np.ones((codes.max() + 1, 1)), codes, tuple(variables(data)))
    assert np.isclose(fit.llf, other.llf, rtol=LOGL)
    assert np.allclose(fit.within["all"], other.within, atol=1e-6)
    assert np.allclose(fit.between["all"], other.between, atol=1e-6)


@pytest.mark.parametrize("K", [2, 4])
def test_free_groups_are_separate_fits(K):
    data = frame(5, K=K)
    together = fitted(data, between="free")
    parts = [fitted(part) for _, part in data.groupby("group")]
    assert np.isclose(together.llf, sum(part.llf for part in parts), rtol=LOGL)
    for group, part in zip(together.groups, parts, strict=True):
        assert np.allclose(together.between[group], part.between["all"], atol=1e-6)
        assert np.allclose(together.bse[f"within.x1~~x2[{group}]"], part.bse["within.x1~~x2"])


@pytest.mark.parametrize("K", [2, 3])
def test_groups_with_everything_equal_are_one_group(K):
    data = frame(6, K=K)
    settings = dict.fromkeys(("within", "between", "means"), "equal")
    equal, one = fitted(data, **settings), fitted(data.assign(group="A"))
    assert list(equal.params.index) == list(one.params.index)
    assert np.isclose(equal.llf, one.llf, rtol=LOGL)
    assert ((equal.params - one.params) / one.bse).abs().max() < SAME
    assert np.allclose(equal.bse, one.bse, rtol=1e-6)


def test_single_equalities_make_up_the_models():
    data = frame(7, K=3)
    names = ("x1~~x1", "x1~~x2", "x2~~x2")
    for level, other in (("within", "between"), ("between", "within")):
        by_name = fitted(
            data, **{level: "free", other: "free"}, equal=[f"{level}.{n}" for n in names]
        )
        at_once = fitted(data, **{level: "equal", other: "free"})
        assert by_name.n_parameters == at_once.n_parameters
        assert np.isclose(by_name.llf, at_once.llf, rtol=LOGL)
    means = fitted(data, equal=["mean.x1", "mean.x2"])
    assert np.isclose(means.llf, fitted(data, means="equal").llf, rtol=LOGL)


def test_positions_with_equal_parameters_are_members():
    # Two occasions drawn alike: the model by position has the other as a special case.
    data = frame(8, C=2, K=1, J=60)
    plain, by_position = fitted(data), fitted(data, position="time")
    assert by_position.llf > plain.llf
    assert by_position.n_parameters == plain.n_parameters + 5


def test_data_twice():
    data = frame(9)
    again = data.assign(cluster=data["cluster"] + 1000)
    once, twice = fitted(data), fitted(pd.concat([data, again], ignore_index=True))
    assert np.isclose(twice.llf, 2 * once.llf, rtol=LOGL)
    assert ((twice.params - once.params) / once.bse).abs().max() < SAME
    assert np.allclose(twice.bse, once.bse / np.sqrt(2), rtol=1e-6)


# ---- invariances --------------------------------------------------------------------------------
seeds = st.integers(0, 10_000)


def same(a, b, params=None):
    """Whether two fits agree; ``params`` renames or transforms those of the first."""
    expected = a.params if params is None else params
    away = ((b.params[expected.index] - expected) / b.bse[expected.index]).abs()
    return np.isclose(a.llf, b.llf, rtol=LOGL, atol=1e-7) and away.max() < SAME


@settings(max_examples=25)
@given(seeds)
def test_order_of_rows_and_names_of_clusters(seed):
    data = frame(seed)
    fit = fitted(data)
    rng = np.random.default_rng(seed)
    ids = rng.permutation(data["cluster"].max() + 1)
    renamed = data.assign(cluster=[f"school {ids[c]}" for c in data["cluster"]])
    moved = fitted(renamed.sample(frac=1, random_state=seed))
    assert same(fit, moved)
    effects = fit.ranef().rename(index=lambda c: f"school {ids[c]}")
    assert np.allclose(moved.ranef().loc[effects.index], effects, atol=1e-6)


@settings(max_examples=25)
@given(seeds, st.floats(-1e4, 1e4), st.floats(0.01, 100))
def test_shift_and_scale(seed, shift, scale):
    data = frame(seed)
    fit = fitted(data)
    moved = fitted(data.assign(x1=shift + scale * data["x1"]))
    times = np.array([scale ** name.count("x1") for name in fit.params.index])
    plus = np.where(fit.params.index.str.startswith("mean.x1"), shift, 0.0)
    away = (moved.params - (fit.params * times + plus)) / (fit.bse * times)
    assert away.abs().max() < SAME
    assert np.allclose(moved.bse, fit.bse * times, rtol=1e-6)
    jacobian = data["x1"].notna().sum() * np.log(scale)
    assert np.isclose(moved.llf, fit.llf - jacobian, rtol=LOGL, atol=1e-6)
    assert np.allclose(moved.icc, fit.icc, atol=1e-6)


@settings(max_examples=15)
@given(seeds)
def test_any_linear_transformation_of_complete_data(seed):
    data = frame(seed, missing=0)
    L = np.random.default_rng(seed).normal(size=(2, 2)) + 2 * np.eye(2)
    moved = data.copy()
    moved[["x1", "x2"]] = data[["x1", "x2"]].to_numpy() @ L.T
    a, b = fitted(data), fitted(moved)
    jacobian = len(data) * np.linalg.slogdet(L)[1]
    assert np.isclose(b.llf, a.llf - jacobian, rtol=LOGL, atol=1e-6)
    for level in ("within", "between"):
        S, T = getattr(a, level)["B"].to_numpy(), getattr(b, level)["B"].to_numpy()
        assert np.allclose(L @ S @ L.T, T, atol=1e-5 * np.abs(T).max())


@settings(max_examples=15)
@given(seeds)
def test_order_of_variables(seed):
    data = frame(seed, p=3)
    a = fitted(data)
    b = fitted(data[["group", "cluster", "x3", "x1", "x2"]])
    turned = {"x1~~x3": "x3~~x1", "x2~~x3": "x3~~x2"}

    def rename(name):
        for old, new in turned.items():
            name = name.replace(old, new)
        return name

    assert same(a, b, a.params.rename(rename))


@settings(max_examples=15)
@given(seeds)
def test_names_and_order_of_groups(seed):
    data = frame(seed, K=3)
    a = fitted(data)
    b = fitted(data.assign(group=data["group"].map({"A": "Z", "B": "B", "C": "A"})))
    turned = {"[A]": "[Z]", "[C]": "[A]"}
    names = {n: n[:-3] + turned.get(n[-3:], n[-3:]) if n[-1] == "]" else n for n in a.params.index}
    assert same(a, b, a.params.rename(names))


@settings(max_examples=15)
@given(seeds)
def test_rows_and_clusters_with_nothing_observed_tell_nothing(seed):
    data = frame(seed)
    empty = data.assign(x1=np.nan, x2=np.nan)
    empty.loc[::2, "cluster"] += 500
    more = pd.concat([data, empty], ignore_index=True)
    a, b = fitted(data), fitted(more)
    assert same(a, b)
    assert a.nobs == b.nobs
    assert a.n_clusters == b.n_clusters


@settings(max_examples=15)
@given(seeds, st.sampled_from([0, 3]))
def test_wide_and_back(seed, C):
    data = frame(seed, C=C)
    position = "time" if C else None
    wide = mt.to_wide(data, ["x1", "x2"], cluster="cluster", group="group", position=position)
    assert same(fitted(data), fitted(mt.to_long(wide).reset_index()))


# ---- with a bound -------------------------------------------------------------------------------
def by_cholesky(fit, seed):
    """Largest llf over matrices L L', by a search of SciPy's on the unbounded deviance."""
    from scipy.optimize import minimize

    deviance, p = fit.fit.deviance, len(fit.variables)
    level = fit.model.table["level"].to_numpy()
    mean, m = np.flatnonzero(level == "mean"), p * (p + 1) // 2
    # Where the triangle of each matrix stands: Within of both groups, Between.
    triangles = [at[p + k * m : p + (k + 1) * m] for at in fit.model.index for k in (0, 1)][:-1]
    triangles = [triangles[0], triangles[2], triangles[1]]
    low = np.tril_indices(p)

    def value_and_slope(z):
        roots = z[len(mean) :].reshape(3, p, p)
        theta = np.empty(deviance.size)
        theta[mean] = z[: len(mean)]
        for at, L in zip(triangles, roots, strict=True):
            theta[at] = (L @ L.T)[low]
        value, gradient = deviance.value_and_gradient(theta)
        slopes = np.zeros((3, p, p))
        for M, at in zip(slopes, triangles, strict=True):
            M[low] = gradient[at]
        slopes = (slopes + slopes.swapaxes(1, 2)) @ roots
        return value, np.r_[gradient[mean], slopes.ravel()]

    rng, best = np.random.default_rng(seed), np.inf
    for _ in range(4):
        roots = np.eye(p) * [[[0.8]], [[0.8]], [[0.5]]] + 0.2 * rng.normal(size=(3, p, p))
        z = np.r_[np.zeros(len(mean)), roots.ravel()]
        done = minimize(value_and_slope, z, jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
        best = min(best, done.fun)
    # To the units of the data.
    return fit.llf + 0.5 * (deviance.value_and_gradient(fit.fit.theta)[0] - best)


@pytest.mark.parametrize(("p", "seed"), [(1, 1), (2, 2), (2, 4), (3, 3)])
def test_bounded_is_the_best_of_all_possible_matrices(p, seed):
    data = frame(seed, p=p, J=12, missing=0.05, sizes=(1, 3))
    # What lies between clusters is taken away from the first variable, and more than that.
    means = data.groupby("cluster")["x1"].transform("mean")
    data["x1"] -= 0.85 * means
    free, bounded = fitted(data), fitted(data, bounded=True)
    assert np.linalg.eigvalsh(free.between["A"])[0] < 0
    assert np.linalg.eigvalsh(bounded.between["A"])[0] > -1e-9
    assert bounded.llf < free.llf
    assert abs(bounded.llf - by_cholesky(bounded, seed)) < BOUND
