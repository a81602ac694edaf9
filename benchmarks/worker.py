"""One timed task for one Python package, in a process of its own; prints one line of JSON.

Usage: ``python worker.py PACKAGE TASK REPEATS [FILE]``. Data are loaded before the clock starts;
the formula is parsed while it runs. ``run.py`` calls this; ``peers.R`` is its twin for R.
"""

import itertools
import json
import resource
import sys
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
BOOTSTRAP = {"seed": 1, "progress": False}
CROSS = "math ~ mean_ses * ses_within + catholic * ses_within"


def hsb():
    """Return the High School and Beyond data with the within-school deviation of ses."""
    data = pd.read_csv(ROOT / "data" / "hsb.csv")
    return data.assign(ses_within=data["ses"] - data["mean_ses"])


def million(file):
    """Return the large data set from its three raw columns of doubles."""
    columns = np.fromfile(file).reshape(3, -1)
    return pd.DataFrame({"g": columns[0].astype(int), "x": columns[1], "y": columns[2]})


def multigroup_rows(file):
    """Return the data of two groups from four raw columns of doubles."""
    columns = np.fromfile(file).reshape(4, -1)
    return pd.DataFrame(dict(zip(("group", "cluster", "x1", "x2"), columns, strict=True)))


def clock(call, repeats, prepare=lambda: None):
    """Return the times of ``repeats`` calls after one that is not counted, and the last value."""
    times = []
    for _ in range(repeats + 1):
        prepared = prepare()
        start = time.perf_counter()
        value = call(prepared)
        times.append(time.perf_counter() - start)
    return times[1:] or times, value


def once(call):
    """Return the time of one cold call and its value."""
    start = time.perf_counter()
    value = call()
    return [time.perf_counter() - start], value


# ---- mlteach ------------------------------------------------------------------------------------
def mlteach(task, repeats, file):
    """Return times, and a check value, of a task in mlteach."""
    import mlteach as mt

    cross = f"{CROSS} + (1 + ses_within | school)"
    if task == "million":
        return mlteach_million(mt, repeats, million(file))
    if task == "very_many":
        return very_many_clusters(mt, *file.split(","))
    if task == "location_scale":
        return {"models": location_scale_models(mt, repeats), "growth": location_scale_growth(mt)}
    if task == "multigroup":
        return {"growth": multigroup_growth(mt), "pisa_style": pisa_style(mt, repeats)}
    if task.startswith("multigroup"):
        return mlteach_multigroup(mt, task, repeats, multigroup_rows(file))
    if task in ("moments", "patterns"):
        call = {"moments": moments_at_once, "patterns": patterns_at_once}[task]()
        times, value = clock(lambda _: call(), repeats)
        return {"times": times, "value": float(value)}
    if task == "bayes":
        return location_scale_bayes(mt, *file.split())
    if task == "digits":
        return {"estimates": mlteach_digits(mt, json.loads(Path(file).read_text()))}
    data = hsb()
    slope = [
        mt.fit_mixed(f"math ~ ses_within + ({z} | school)", data, reml=False)
        for z in ("1", "1 + ses_within")
    ]
    tasks = {
        "hsb_empty": lambda _: mt.fit_mixed("math ~ 1 + (1 | school)", data).deviance,
        "hsb_cross_level": lambda _: mt.fit_mixed(cross, data).deviance,
        "satterthwaite": lambda _: mt.fit_mixed(cross, data).coefficients["df"].iloc[-1],
        "kenward_roger": lambda fit: fit.tests(ddf="kenward-roger")["df"].iloc[-1],
        "centering": lambda _: mlteach_contextual(mt, data),
        "variance_by_group": lambda _: mt.fit_location_scale(cross, "~ catholic", data).deviance,
        "cr2": lambda fit: fit.tests(robust="CR2")["df"].iloc[-1],
        "bootstrap_test": lambda _: mt.compare(*slope, bootstrap=100, **BOOTSTRAP)[
            "p_bootstrap"
        ].iloc[-1],
        "bootstrap_interval": lambda fit: fit.confint(method="bootstrap", n=100, **BOOTSTRAP)[
            "upper"
        ].iloc[-1],
    }
    takes_fit = ("kenward_roger", "cr2", "bootstrap_interval")
    fresh = (lambda: mt.fit_mixed(cross, data)) if task in takes_fit else lambda: None
    times, value = clock(tasks[task], repeats, fresh)
    return {"times": times, "value": float(value)}


def mlteach_contextual(mt, data):
    """Return the latent contextual effect of ses."""
    table = mt.fit_centering("math ~ ses", data, cluster="school").table
    return table.loc["latent_contextual", "estimate"]


def published_models():
    """Return {title: (mean function, variance function, data)} of the published models."""
    schools, london = hsb(), pd.read_csv(ROOT / "data" / "london.csv")
    schools["sd_ses"] = schools.groupby("school")["ses"].transform("std")
    cross, slope = f"{CROSS} + (1 + ses_within | school)", "score16 ~ score11 + girl"
    sloped = f"{slope} + (1 + score11 | school)"
    one = "math ~ catholic + (1 | school)"
    return {
        "hsb Model 1": (one, "~ catholic + (1 | school)", schools),
        "hsb Model 2": (cross, "~ catholic + (1 | school)", schools),
        "hsb Model 3": (cross, "~ catholic + mean_ses + sd_ses + (1 | school)", schools),
        "hsb Model 4": (cross, "~ catholic * ses_within + (1 + ses_within | school)", schools),
        "london Model 2": ("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)", london),
        "london Model 3": (f"{slope} + (1 | school)", "~ 1 + (1 | school)", london),
        "london Model 4": (sloped, "~ 1 + (1 | school)", london),
        "london Model 5": (sloped, "~ score11 + girl + (1 | school)", london),
        "london Model 6": (sloped, "~ score11 + girl + (1 + score11 | school)", london),
    }


def location_scale_models(mt, repeats):
    """Return {title: (times, log-likelihood)} of the published models."""
    out = {}
    for title, model in published_models().items():
        times, llf = clock(lambda _, m=model: mt.fit_location_scale(*m).llf, repeats)
        out[title] = (times, llf)
    return out


def location_scale_bayes(mt, model, kind):
    """Return times and the fewest effective draws of a model, plain or collapsed."""
    title = "london Model 2" if model == "london" else f"hsb Model {model}"
    fit = mt.fit_location_scale(
        *published_models()[title],
        method="bayes",
        collapsed=kind == "collapsed",
        cores=2,
        seed=1,
        progress=False,
    )
    tables = {"mean:": fit.mean, "variance:": fit.log_variance, "": fit.components}
    ess = pd.concat([table["ess"].rename(lambda x, p=p: p + x) for p, table in tables.items()])
    attrs = fit.idata.posterior.attrs
    return {
        "compiling": attrs["seconds_compiling"],
        "sampling": attrs["seconds_sampling"],
        "ess": float(ess.min()),
        "worst": ess.idxmin(),
        "notes": list(fit.notes),
    }


def location_scale_growth(mt):
    """Return {rows: (seconds of a fit, seconds of its search)} for 1,000 clusters."""
    from mlteach.location_scale import fit as location_scale

    spent = []
    maximise = location_scale.maximise

    def timed(*args):
        start = time.perf_counter()
        answer = maximise(*args)
        spent.append(time.perf_counter() - start)
        return answer

    location_scale.maximise = timed
    out = {}
    for n in (10, 100, 1_000, 10_000):
        rng = np.random.default_rng(1)
        g = np.repeat(np.arange(1000), n)
        w, u, v = (size * rng.normal(size=1000) for size in (1.0, 0.5, 0.3))
        noise = np.exp((v + 0.1 * w) / 2)[g] * rng.normal(size=1000 * n)
        data = pd.DataFrame({"g": g, "w": w[g], "y": u[g] + noise})
        start = time.perf_counter()
        mt.fit_location_scale("y ~ w + (1 | g)", "~ w + (1 | g)", data)
        out[1000 * n] = (time.perf_counter() - start, spent[-1])
    location_scale.maximise = maximise
    return out


def very_many_clusters(mt, variance, clusters):
    """Return times, peak memory and log-likelihood of a fit to clusters of three rows."""
    J, rng = int(clusters), np.random.default_rng(2)
    g, x = np.repeat(np.arange(J), 3), rng.normal(size=3 * J)
    noise = rng.normal(size=J)[g] + rng.normal(size=3 * J) * np.exp(0.2 * x)
    data = pd.DataFrame({"g": g, "x": x, "y": 1 + 0.5 * x + noise})

    def fit(rows):
        return mt.fit_location_scale("y ~ x + (1 | g)", variance, rows)

    fit(data.head(3000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu = time.process_time()
    result = fit(data)
    return {
        "cpu": time.process_time() - cpu,
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        * 1024
        / float(data.memory_usage().sum()),
        "llf": result.llf,
    }


def mlteach_multigroup(mt, task, repeats, data):
    """Return times and deviance of a multigroup model with its table of parameters."""

    def fit(_):
        model = mt.fit_multigroup(["x1", "x2"], data, cluster="cluster", group="group")
        assert len(model.parameters) == 13
        if task == "multigroup_wide":
            assert model.wide_fit()["df"] > 0
        return model.deviance

    times, value = clock(fit, repeats)
    return {"times": times, "value": float(value)}


def multigroup_growth(mt):
    """Return {rows: seconds of fit and search, complete and with missing values}."""
    from mlteach.multigroup import search as multigroup_fit

    spent = []
    minimize = multigroup_fit.minimize

    def timed(*args):
        start = time.perf_counter()
        answer = minimize(*args)
        spent.append(time.perf_counter() - start)
        return answer

    multigroup_fit.minimize = timed
    out = {}
    for n in (10, 100, 1_000):
        out[1000 * n] = []
        for missing in (0.0, 0.2):
            data = drawn_groups(n, missing)
            start = time.perf_counter()
            mt.fit_multigroup(["x1", "x2"], data, cluster="cluster", group="group")
            out[1000 * n] += [time.perf_counter() - start, spent[-1]]
    multigroup_fit.minimize = minimize
    return out


def drawn_groups(n, missing):
    """Return 1,000 clusters of n rows; of n / 2 to 3 n / 2 and with holes if asked."""
    rng = np.random.default_rng(1)
    sizes = rng.integers(n // 2, n + n // 2 + 1, size=1000) if missing else np.full(1000, n)
    cluster = np.repeat(np.arange(1000), sizes)
    x = 0.5 * rng.normal(size=(1000, 2))[cluster] + rng.normal(size=(len(cluster), 2))
    x[rng.uniform(size=x.shape) < missing] = np.nan
    return pd.DataFrame({"group": cluster % 2, "cluster": cluster, "x1": x[:, 0], "x2": x[:, 1]})


def pisa_style(mt, repeats):
    """Return times of the published model on the shipped data, its rows and share of holes."""
    data, variables = mt.load("pisa_style"), ["CREATAS", "GROSAGR"]
    times, _ = clock(
        lambda _: mt.fit_multigroup(variables, data, cluster="school", group="country").deviance,
        repeats,
    )
    return times, len(data), float(data[variables].isna().to_numpy().mean())


def mlteach_million(mt, repeats, data):
    """Return times and peak memory of the large random-slope fit."""

    def fit(_=None):
        return mt.fit_mixed("y ~ x + (1 + x | g)", data).deviance

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    first, value = once(fit)
    resident = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    times, value = clock(fit, repeats)
    tracemalloc.start()
    fit()
    allocated = tracemalloc.get_traced_memory()[1]
    frame = int(data.memory_usage(deep=True).sum())
    return {
        "times": times,
        "value": value,
        "first": first[0],
        "frame_bytes": frame,
        "peak_allocated": allocated,
        "peak_resident": resident,
    }


def mlteach_digits(mt, sets):
    """Return (tau2 of the intercept, sigma2) for each set."""
    out = {}
    for name, s in sets.items():
        fit = mt.fit_mixed(f"{s['fixed']} + ({s['random']} | cluster)", pd.read_csv(s["file"]))
        out[name] = [float(fit.tau.iloc[-1, -1]), fit.sigma2]
    return out


# ---- the same by plain loops --------------------------------------------------------------------
def plain(task, repeats, file):
    """Return times, and a check value, of a loop over clusters or rows."""
    call = {"moments": moments_by_cluster, "patterns": patterns_by_row}[task]()
    times, value = clock(lambda _: call(), repeats)
    return {"times": times, "value": float(value)}


def moments_design():
    """Return the design of a random slope in 10,000 clusters of about ten."""
    from mlteach.core.design import design
    from mlteach.core.formula import parse

    rng = np.random.default_rng(1)
    g = np.sort(rng.integers(10_000, size=100_000))
    data = pd.DataFrame({"g": g, "x": rng.normal(size=len(g)), "w": rng.normal(size=10_000)[g]})
    data["y"] = rng.normal(size=10_000)[g] + data["x"] + rng.normal(size=len(g))
    return design(parse("y ~ x * w + (1 + x | g)"), data)


def moments_at_once():
    """Return the call that reduces all clusters together."""
    from mlteach.core.moments import cluster_moments

    d = moments_design()
    return lambda: np.sum(cluster_moments(d).B ** 2)


def moments_by_cluster():
    """Return the call that takes one cluster after another."""
    from mlteach.core.scaling import least_squares, standardise, standardise_blocks

    d = moments_design()
    starts = np.searchsorted(d.codes, np.arange(len(d.labels) + 1))

    def call():
        standard = standardise(d.X, d.x_names, "predictor")
        offset, b, scale = least_squares(d, standard)
        X, Z = standard(d.X).T, standardise_blocks(d, True)(d.Z).T
        W = np.column_stack([X, (d.y - offset - X @ b) / scale])
        total = 0.0
        for first, last in itertools.pairwise(starts):
            Q, _ = np.linalg.qr(Z[first:last])
            total += np.sum((Q.T @ W[first:last]) ** 2)
        return total

    return call


def patterns_model():
    """Return scaled rows, their clusters, and parameters of a multigroup model with holes."""
    rng = np.random.default_rng(1)
    codes = np.repeat(np.arange(2_000), 5)
    Y = 0.4 * rng.normal(size=(2_000, 6))[codes] + rng.normal(size=(len(codes), 6))
    Y[rng.uniform(size=Y.shape) < 0.2] = np.nan
    keep = ~np.isnan(Y).all(axis=1)
    return Y[keep], codes[keep], 0.5 * np.eye(6) + 0.5, 0.1 * np.eye(6) + 0.1


def patterns_at_once():
    """Return the call of the package: value and gradient."""
    from mlteach.multigroup.deviance import GroupDeviance
    from mlteach.multigroup.moments import group_moments

    Y, codes, within, between = patterns_model()
    deviance = GroupDeviance(group_moments(Y, codes, np.zeros(len(Y), int)))
    lower = np.tril_indices(6)
    theta = np.concatenate([np.zeros(6), within[lower], between[lower]])
    shifts = iter(1e-12 * np.arange(10_000))  # so that no value is remembered from the call before
    return lambda: deviance.value_and_gradient(theta + next(shifts))[0]


def patterns_by_row():
    """Return the call that writes the formula down: value only."""
    Y, codes, within, between = patterns_model()
    starts = np.searchsorted(codes, np.arange(2_001))

    def call():
        total = np.log(2 * np.pi) * np.isfinite(Y).sum()
        for first, last in itertools.pairwise(starts):
            A, b = np.zeros((6, 6)), np.zeros(6)
            for y in Y[first:last]:
                at = np.flatnonzero(np.isfinite(y))
                block = within[np.ix_(at, at)]
                P = np.linalg.inv(block)
                A[np.ix_(at, at)] += P
                b[at] += P @ y[at]
                total += np.linalg.slogdet(block)[1] + y[at] @ P @ y[at]
            inner = np.eye(6) + A @ between
            total += np.linalg.slogdet(inner)[1] - b @ between @ np.linalg.solve(inner, b)
        return total

    return call


# ---- statsmodels --------------------------------------------------------------------------------
def statsmodels(task, repeats, file):
    """Return times, and a check value, of a task in statsmodels' MixedLM."""
    import statsmodels.formula.api as smf

    if task == "digits":
        sets = json.loads(Path(file).read_text())
        return {"estimates": {k: statsmodels_digits(smf, s) for k, s in sets.items()}}
    data = hsb()
    fixed, random = ("math ~ 1", "1") if task == "hsb_empty" else (CROSS, "1 + ses_within")

    def fit(_):
        model = smf.mixedlm(fixed, data, groups="school", re_formula=random)
        return -2 * model.fit(reml=True).llf

    times, value = clock(fit, repeats)
    return {"times": times, "value": float(value)}


def statsmodels_digits(smf, s):
    """Return (last random-effect variance, sigma2), or None where the fit stops with an error."""
    data = pd.read_csv(s["file"])
    try:
        model = smf.mixedlm(s["fixed"], data, groups="cluster", re_formula=s["random"])
        fit = model.fit(reml=True)
    except (np.linalg.LinAlgError, ValueError) as error:
        print(f"statsmodels: {error}", file=sys.stderr)
        return None
    return [float(np.asarray(fit.cov_re)[-1, -1]), float(fit.scale)]


if __name__ == "__main__":
    package, task, repeats, *rest = sys.argv[1:]
    run = {"mlteach": mlteach, "statsmodels": statsmodels, "plain NumPy": plain}[package]
    print(json.dumps(run(task, int(repeats), rest[0] if rest else None)))
