"""Side by side with R and statsmodels: times, memory, correct digits -> ``results.md``.

``python benchmarks/run.py`` runs everything; ``python benchmarks/run.py hsb_empty digits`` runs the
named parts, prints them and puts them in place of their sections in ``results.md``; with
``--print`` before the names the file stays as it is. Parts: hsb_empty, hsb_cross_level,
satterthwaite, kenward_roger, centering, cr2, bootstrap_test, bootstrap_interval, variance_by_group,
multigroup_wide, multigroup_two_level, multigroup_missing, million, location_scale, very_many,
bayes, brms, multigroup, moments, patterns, import, digits.

Every package works in a fresh process on the same data, taking turns in three rounds of one run on
one machine. Data are loaded and one call is made before the clock starts (a million rows get
one round, and in R one call only, as lavaan's wide format in each round); parsing the formula is
part of the time. What is compared are medians. A package that is not installed is left out, and the
report says so.
"""

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

import numpy as np
from mpmath import log10, mpf

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
REFERENCE = ROOT / "tests" / "reference"
sys.path.insert(0, str(REFERENCE))
import nist  # noqa: E402  (the folder of the reference suite is not a package)

PYTHON_PACKAGES = ("mlteach", "numpy", "scipy", "pandas", "formulaic", "statsmodels")

# part: title, {package: repeats in each round}; the first package is ours
TIMED = {
    "hsb_empty": ("hsb, empty model, REML", {"mlteach": 21, "lme4": 21, "statsmodels": 3}),
    "hsb_cross_level": (
        "hsb, cross-level model, REML",
        {"mlteach": 21, "lme4": 11, "statsmodels": 2},
    ),
    "satterthwaite": (
        "the same with a table of coefficients and Satterthwaite df",
        {"mlteach": 11, "lmerTest": 5},
    ),
    "kenward_roger": (
        "Kenward–Roger SE and df for all six coefficients (fit not counted)",
        {"mlteach": 11, "pbkrtest": 2},
    ),
    "centering": (
        "hsb, math on ses: latent within, between and contextual effect with SE (mlteach: all of "
        "fit_centering, which fits five mixed models too)",
        {"mlteach": 7, "lavaan": 3},
    ),
    "cr2": (
        "CR2 SE and Satterthwaite df for all six coefficients (fit not counted)",
        {"mlteach": 11, "clubSandwich": 5},
    ),
    "bootstrap_test": (
        "hsb, is there a slope variance? Parametric bootstrap of the LRT, 100 data sets, ML",
        {"mlteach": 2, "pbkrtest": 1},
    ),
    "bootstrap_interval": (
        "hsb, cross-level model: percentile intervals from 100 data sets, REML",
        {"mlteach": 2, "lme4": 1},
    ),
    "variance_by_group": (
        "hsb, cross-level model with a level-1 variance for each sector, ML",
        {"mlteach": 7, "nlme": 3},
    ),
    "multigroup_wide": (
        "multigroup model, p = 2, n = 45, 170 and 274 clusters, with SE and fit measures: lavaan's "
        "wide format (90 columns; making the wide table not counted)",
        {"mlteach": 21, "lavaan": 0},
    ),
    "multigroup_two_level": (
        "the same data and model, with SE: lavaan's own two-level estimator (without fit measures)",
        {"mlteach": 21, "lavaan": 3},
    ),
    "multigroup_missing": (
        "multigroup model, p = 2, 444 clusters of 1 to 6 with a fifth of the values missing, with "
        "SE: lavaan's wide format with full information maximum likelihood (12 columns)",
        {"mlteach": 21, "lavaan": 1},
    ),
    "moments": (
        "100,000 rows in 10,000 clusters, random slope, reduced to moments: all clusters at once, "
        "or one QR decomposition a cluster",
        {"mlteach": 7, "plain NumPy": 1},
    ),
    "patterns": (
        "deviance of the multigroup model, p = 6, 2,000 clusters of 5 with a fifth of the values "
        "missing (64 patterns): with its gradient and all patterns at once, or row by row without",
        {"mlteach": 21, "plain NumPy": 1},
    ),
    "million": (
        "1,000,000 rows × 10,000 clusters, random slope, REML",
        {"mlteach": 3, "lme4": 0},
    ),
}
ROUNDS = 3
GOALS = {
    "hsb_empty": 8,
    "hsb_cross_level": 5,
    "kenward_roger": 50,
    "multigroup_wide": 300,
    "multigroup_two_level": 20,
    "million": 10,
}
# part: what its check value is; the deviance otherwise
VALUES = {
    "moments": "sum of squares in reach of the clusters",
    "satterthwaite": "last df",
    "kenward_roger": "last df",
    "centering": "contextual effect",
    "cr2": "last df",
    "bootstrap_test": "p (its own draws)",
    "bootstrap_interval": "upper limit of the last coefficient (its own draws)",
}


# ---- running peers ------------------------------------------------------------------------------
def r_versions():
    """Return the versions of R and its packages, or None without R or jsonlite."""
    if shutil.which("Rscript") is None:
        return None
    return call_r("versions", "all", 0, check=False)


def call_r(package, task, repeats, file="", check=True):
    """Return what ``peers.R`` prints for one task, or None if it stops and ``check`` is off."""
    command = ["Rscript", str(HERE / "peers.R"), str(ROOT), package, task, str(repeats), str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        if check:
            raise RuntimeError(f"{package} {task}: {done.stderr}")
        return None
    return json.loads(done.stdout)


def call_python(package, task, repeats, file=""):
    """Return what ``worker.py`` prints for one task."""
    command = [sys.executable, str(HERE / "worker.py"), package, task, str(repeats), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{package} {task}: {done.stderr}")
    return json.loads(done.stdout)


def installed(package, r):
    """Return whether a Python or R package is there."""
    if package == "plain NumPy":
        return True
    if package in ("mlteach", "statsmodels"):
        try:
            metadata.version(package)
        except metadata.PackageNotFoundError:
            return False
        return True
    return r is not None and package in r["packages"]


def call(package, *args):
    """Return the answer of a package, whichever language it lives in."""
    python = package in ("mlteach", "statsmodels", "plain NumPy")
    return (call_python if python else call_r)(package, *args)


# ---- timed parts --------------------------------------------------------------------------------
def write_million(folder):
    """Write the large data set as raw doubles (cluster, x, y) and return its path."""
    rng = np.random.default_rng(20260810)
    n, J = 1_000_000, 10_000
    g = np.sort(rng.integers(J, size=n))
    x = rng.normal(size=n)
    u = rng.normal(size=(J, 2)) @ np.array([[1.0, 0.3], [0.0, 0.5]])
    y = 1.0 + u[g, 0] + (0.5 + u[g, 1]) * x + 2.0 * rng.normal(size=n)
    path = Path(folder) / "million.bin"
    np.concatenate([g.astype(float), x, y]).tofile(path)
    return path


def write_multigroup(folder, sizes, missing=0.0):
    """Write two groups of clusters as raw doubles (group, cluster, x1, x2) and return the path.

    The variances are those published for Albania and Ireland: 1.73 and 1.68 within in the one, .57
    and .74 in the other; .07 and .03 between in both.
    """
    rng = np.random.default_rng(20261121)
    n = rng.integers(sizes[0], sizes[1] + 1, size=444)
    cluster = np.repeat(np.arange(444), n)
    ireland = (np.arange(444) < 170)[cluster]
    within = np.where(ireland[:, None], [0.57, 0.74], [1.73, 1.68])
    x = np.where(ireland[:, None], [0.09, 0.16], [1.08, -0.36])
    x = x + np.sqrt([0.07, 0.03]) * rng.normal(size=(444, 2))[cluster]
    x = x + np.sqrt(within) * rng.normal(size=x.shape)
    x[rng.uniform(size=x.shape) < missing] = np.nan
    path = Path(folder) / f"multigroup_{sizes[1]}.bin"
    np.concatenate([1.0 * ireland, cluster, *x.T]).tofile(path)
    return path


DATA = {
    "million": write_million,
    "multigroup_wide": lambda folder: write_multigroup(folder, (45, 45)),
    "multigroup_two_level": lambda folder: write_multigroup(folder, (45, 45)),
    "multigroup_missing": lambda folder: write_multigroup(folder, (1, 6), 0.2),
}


def seconds(value):
    """Return a time with three significant digits."""
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def timed(part, r, folder):
    """Return the report of one timed part as lines of Markdown."""
    title, packages = TIMED[part]
    file = DATA[part](folder) if part in DATA else ""
    there = {p: n for p, n in packages.items() if installed(p, r)}
    answers = in_turns(part, there, file, rounds=1 if part == "million" else ROUNDS)
    ours = statistics.median(answers["mlteach"]["times"])
    goal = f" Goal: at least {GOALS[part]} times faster." if part in GOALS else ""
    what = VALUES.get(part, "deviance reached")
    lines = [
        f"### {title}",
        "",
        f"| package | median | fastest – slowest | mlteach is faster by | {what} |",
        "|---|---:|---:|---:|---:|",
    ]
    for package, answer in answers.items():
        times = answer["times"]
        median = statistics.median(times)
        ratio = "" if package == "mlteach" else f"{median / ours:.1f} ×"
        spread = f"{seconds(min(times))} – {seconds(max(times))} (n = {len(times)})"
        value = f"{answer['value']:.6f}"
        lines.append(f"| {package} | {seconds(median)} | {spread} | {ratio} | {value} |")
    missing = [p for p in packages if p not in answers]
    lines += ["", "".join(f"{p} is not installed: left out. " for p in missing) + goal.strip()]
    if part == "million":
        lines += memory(answers)
    return [*lines, ""]


def in_turns(part, packages, file, rounds):
    """Return each package's answer, its times pooled over rounds in which all take their turn.

    A machine that slows down for a while then slows down every package, not one.
    """
    answers = {}
    for _ in range(rounds):
        for package, repeats in packages.items():
            answer = call(package, part, repeats, file)
            answer["times"] += answers.get(package, {"times": []})["times"]
            answers[package] = answer
    return answers


def memory(answers):
    """Return lines on peak memory beyond the data frame itself."""
    ours = answers["mlteach"]
    frame = ours["frame_bytes"]
    lines = [
        "",
        f"Memory beyond the data frame ({frame / 2**20:.0f} MiB): mlteach allocates at most "
        f"{ours['peak_allocated'] / frame:.2f} times the data frame (tracemalloc; resident set of "
        f"the first fit {ours['peak_resident'] / frame:.2f} times). Goal: at most 2.",
    ]
    if "lme4" in answers:
        lines.append(f"lme4: {answers['lme4']['peak_allocated'] / frame:.1f} times (R's gc).")
    return lines


def multigroup(r, folder):
    """Return the report on the growth of the multigroup fit with the number of rows."""
    answer = call_python("mlteach", "multigroup", 5)
    lines = [
        "### multigroup model, p = 2, two groups",
        "",
        "1,000 clusters. Search: what is left of the fit once the rows are reduced to sums.",
        "",
        "| rows | balanced, complete: fit | search | unbalanced, a fifth missing: fit | search |",
        "|---:|---:|---:|---:|---:|",
    ]
    for rows, spent in answer["growth"].items():
        lines.append(f"| {int(rows):,} | " + " | ".join(seconds(t) for t in spent) + " |")
    times, rows, missing = answer["pisa_style"]
    lines += [
        "",
        f"The shipped `pisa_style` ({rows:,} rows in 444 schools, {missing:.0%} of the values "
        f"missing): {seconds(statistics.median(times))}.",
    ]
    return [*lines, ""]


def import_time(r, folder):
    """Return the report on ``import mlteach`` in a fresh process."""
    probes = ["import mlteach", "import mlteach; mlteach.load('hsb')", "import pandas"]
    if installed_python("statsmodels"):
        probes.append("import statsmodels.formula.api")
    rows = [f"| `{probe}` | {seconds(time_statement(probe))} |" for probe in probes]
    head = ["### import in a fresh process", "", "| | median of 7 |", "|---|---:|"]
    why = "mlteach loads pandas with the first data set, so the second row is what a reader waits."
    return [*head, *rows, "", f"Goal: `import mlteach` under 0.5 s. {why}", ""]


def location_scale(r, folder):
    """Return the report on location-scale models, which no other package here fits by ML."""
    answer = call_python("mlteach", "location_scale", 5)
    lines = [
        "### location-scale models, ML",
        "",
        "| model | median of 5 | log-likelihood |",
        "|---|---:|---:|",
    ]
    for title, (times, llf) in answer["models"].items():
        lines.append(f"| {title} | {seconds(statistics.median(times))} | {llf:.4f} |")
    lines += [
        "",
        "Goals: hsb Model 1 at most 60 ms, Model 2 at most 0.3 s, Model 4 at most 3 s, all london "
        "models under 2 s.",
        "",
        "With level-2 predictors in the variance function the search costs what the number of "
        "clusters costs; rows are read once, for their cross-products (1,000 clusters):",
        "",
        "| rows | whole fit | the search in it |",
        "|---:|---:|---:|",
    ]
    for rows, (whole, search) in answer["growth"].items():
        lines.append(f"| {int(rows):,} | {seconds(whole)} | {seconds(search)} |")
    return [*lines, ""]


def very_many(r, folder):
    """Return the report on location-scale models of very many small clusters."""
    lines = [
        "### location-scale models, ML: very many clusters of three rows",
        "",
        "Seconds of the processor, on one core; peak memory (resident) beyond the data frame, in "
        "sizes of the frame. Each fit in a fresh process.",
        "",
        "| variance function | clusters | whole fit | peak memory | log-likelihood |",
        "|---|---:|---:|---:|---:|",
    ]
    for variance in ("~ x", "~ x + (1 | g)"):
        for J in (100_000, 1_000_000):
            a = call_python("mlteach", "very_many", 1, f"{variance},{J}")
            cells = [f"`{variance}`".replace("|", "\\|"), f"{J:,}", seconds(a["cpu"])]
            cells += [f"{a['memory']:.1f} ×", f"{a['llf']:.4f}"]
            lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", "Goal: 8 s and 5 times the frame for 1,000,000 clusters.", ""]


def bayes(r, folder):
    """Return the report on the posterior of location-scale models, collapsed against plain."""
    lines = [
        "### location-scale models, Bayes: location effects integrated out, or sampled",
        "",
        "hsb Models 1 to 4, weak priors, 4 chains of 1,000 draws after 1,000, each in a fresh "
        "process. What is compared are effective draws a second of the worst parameter (of all "
        "coefficients, variances and correlations), compilation and sampling counted.",
        "",
        "| model | sampled | compiling | sampling | worst effective draws | a second | ratio |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for model in ("1", "2", "3", "4"):
        rate = {}
        for kind in ("plain", "collapsed"):
            a = call_python("mlteach", "bayes", 1, f"{model} {kind}")
            rate[kind] = a["ess"] / (a["compiling"] + a["sampling"])
            ratio = f"{rate['collapsed'] / rate['plain']:.1f} ×" if kind == "collapsed" else ""
            lines.append(
                f"| hsb {model} | {kind} | {seconds(a['compiling'])} | {seconds(a['sampling'])} | "
                f"{a['ess']:.0f} ({a['worst']}) | {rate[kind]:.2f} | {ratio} |"
            )
    goals = "Goals: at least 5 × on Models 1 to 3, 2 × on Model 4; Model 2 collapsed under 60 s."
    return [*lines, "", goals, ""]


def brms(r, folder):
    """Return the report on London's Model 2 by brms and by mlteach, with the same priors."""
    lines = ["### london Model 2, Bayes: brms and mlteach, the same priors, 4 × 1,000 draws", ""]
    there = r is not None and shutil.which("Rscript") and has_r_package("brms")
    if not there:
        return [*lines, "brms is not installed: left out.", ""]
    target = Path(folder) / "brms.json"
    script = REFERENCE / "make_brms.R"
    subprocess.run(["Rscript", script, REFERENCE, target], capture_output=True, check=True)
    stored = json.loads(target.read_text())
    worst = min(stored["quantities"], key=lambda k: stored["quantities"][k]["ess"])
    theirs = {
        "compiling": stored["seconds_compiling"],
        "sampling": stored["seconds_sampling"],
        "ess": stored["quantities"][worst]["ess"],
        "worst": worst,
    }
    answers = {"brms": theirs, "mlteach": call_python("mlteach", "bayes", 1, "london collapsed")}
    lines += [
        "| package | compiling | sampling | worst effective draws | a second | without compiling |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for package, a in answers.items():
        whole = a["compiling"] + a["sampling"]
        lines.append(
            f"| {package} | {seconds(a['compiling'])} | {seconds(a['sampling'])} | {a['ess']:.0f} "
            f"({a['worst']}) | {a['ess'] / whole:.2f} | {a['ess'] / a['sampling']:.2f} |"
        )
    return [*lines, ""]


def has_r_package(name):
    """Return whether R has a package."""
    probe = ["Rscript", "-e", f"quit(status = !requireNamespace('{name}', quietly = TRUE))"]
    return subprocess.run(probe, capture_output=True).returncode == 0


def time_statement(statement):
    """Return its median time over fresh processes; the first run fills the disk cache."""
    probe = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", probe]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
        for _ in range(8)
    ]
    return statistics.median(float(run) for run in runs[1:])


# ---- correct digits -----------------------------------------------------------------------------
def digit_sets(folder):
    """Write each set as CSV (cluster, x, y); return {name: how to fit} and the truths."""
    cases = json.loads((REFERENCE / "mpmath.json").read_text())["cases"]
    sets, truths = {}, {}
    for case in cases:
        path = Path(folder) / f"{case['id']}.csv"
        slope = case["kind"] == "general"
        if case["kind"] == "nist":
            rows = nist.rows(nist.text(case["id"]))
            path.write_text("cluster,y\n" + "".join(f"{a},{b}\n" for a, b in rows))
        else:
            rename_columns(REFERENCE / case["data"], case, path)
        sets[case["id"]] = {
            "file": str(path),
            "fixed": "y ~ x" if slope else "y ~ 1",
            "random": "1 + x" if slope else "1",
        }
        truths[case["id"]] = {kind: case[kind]["reml"] for kind in ("decimal", "float64")}
    return sets, truths


def rename_columns(source, case, target):
    """Copy a CSV with its cluster, predictor and outcome renamed to cluster, x, y."""
    outcome = case["formula"].split("~")[0].strip()
    names = {case["cluster"]: "cluster", case["predictor"]: "x", outcome: "y"}
    header, *rows = source.read_text().splitlines()
    keep = [(i, names[c]) for i, c in enumerate(header.split(",")) if c in names]
    lines = [",".join(name for _, name in keep)]
    lines += [",".join(row.split(",")[i] for i, _ in keep) for row in rows]
    target.write_text("\n".join(lines) + "\n")


def correct_digits(estimates, truth):
    """Return the smaller count of correct digits of (last variance, sigma2)."""
    if estimates is None:
        return None
    last = "tau2:x" if "tau2:x" in truth else "tau2"
    counts = []
    for ours, name in zip(estimates, (last, "sigma2"), strict=True):
        true = mpf(truth[name])
        if true == 0:  # nothing to count: an estimate on the boundary is right or it is not
            counts.append(16.0 if abs(ours) < 1e-9 else 0.0)
            continue
        error = abs(mpf(ours) - true) / abs(true)
        counts.append(16.0 if error == 0 else float(min(16, max(0, -log10(error)))))
    return min(counts)


def digits(r, folder):
    """Return the table of correct digits as lines of Markdown."""
    sets, truths = digit_sets(folder)
    plan = Path(folder) / "sets.json"
    plan.write_text(json.dumps(sets))
    packages = [p for p in ("mlteach", "lme4", "nlme", "statsmodels") if installed(p, r)]
    answers = {p: call(p, "digits", 0, plan)["estimates"] for p in packages}
    lines = [
        "### Correct significant digits of the variance components (REML, default settings)",
        "",
        "Truth: 60-digit arithmetic on the decimal numbers in the file "
        "(tests/reference/mpmath.json). The smaller count of the residual variance and the last "
        "random-effect variance. *possible*: what a program can reach that reads the numbers into "
        "doubles and then makes no error at all (luck can add a few tenths).",
        "",
        "| set | possible | " + " | ".join(packages) + " |",
        "|---|" + "---:|" * (len(packages) + 1),
    ]
    for name, truth in truths.items():
        last = "tau2:x" if "tau2:x" in truth["decimal"] else "tau2"
        ideal = [mpf(truth["float64"][k]) for k in (last, "sigma2")]
        cells = [correct_digits(ideal, truth["decimal"])]
        cells += [correct_digits(answers[p].get(name), truth["decimal"]) for p in packages]
        text = ["fails" if c is None else f"{c:.1f}" for c in cells]
        lines.append(f"| {name} | " + " | ".join(text) + " |")
    return [*lines, ""]


# ---- the report ---------------------------------------------------------------------------------
def machine(r):
    """Return a description of machine and versions."""
    versions = {p: metadata.version(p) for p in PYTHON_PACKAGES if installed_python(p)}
    lines = [
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores; "
        f"Python {platform.python_version()}: "
        + ", ".join(f"{p} {v}" for p, v in versions.items())
        + "."
    ]
    if r is None:
        return [*lines, "R (with jsonlite) is not installed: its columns are left out.", ""]
    lines.append(f"R {r['R']}: " + ", ".join(f"{p} {v}" for p, v in r["packages"].items()) + ".")
    return [*lines, ""]


def installed_python(package):
    """Return whether a Python distribution is installed."""
    return any(metadata.distributions(name=package))


def main(arguments):
    """Run the named parts, or all, and write their sections of ``results.md``."""
    names = [name for name in arguments if name != "--print"]
    parts = {name: lambda r, folder, n=name: timed(n, r, folder) for name in TIMED}
    parts |= {
        "location_scale": location_scale,
        "very_many": very_many,
        "bayes": bayes,
        "brms": brms,
        "multigroup": multigroup,
        "import": import_time,
        "digits": digits,
    }
    unknown = [name for name in names if name not in parts]
    if unknown:
        sys.exit(f"No part named {', '.join(unknown)}. Parts: {', '.join(parts)}.")
    r = r_versions()
    file = HERE / "results.md"
    with tempfile.TemporaryDirectory() as folder:
        for name in names or parts:
            section = "\n".join(parts[name](r, folder))
            print(section, flush=True)
            if "--print" not in arguments:
                file.write_text(report(machine(r), file.read_text(encoding="utf-8"), section))


def report(versions, text, section):
    """Return the report with one section replaced, or added at its end."""
    sections = {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}
    new = section.strip().removeprefix("### ")
    sections[new.partition("\n")[0]] = new
    head = [
        "# mlteach side by side",
        "",
        "Written by `python benchmarks/run.py`; do not edit.",
        "",
        *versions,
        "The packages of a section took turns in one run; times are medians.",
    ]
    return "\n\n### ".join(["\n".join(head), *(part.strip() for part in sections.values())]) + "\n"


if __name__ == "__main__":
    main(sys.argv[1:])
