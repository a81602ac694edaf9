"""Models in lavaan syntax, and data to fit them to: the input of ``make_lavaan_syntax.R``.

Writes ``data/lavaan_syntax.csv`` (long, 3 groups of 40 clusters of 3) and prints the cases as JSON.
"""

import json
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from mlteach.multigroup.lavaan import lavaan_syntax

GROUPS, CLUSTERS, MEMBERS = ("one", "two words", "3"), 40, 3
FREE_EQUAL = ("free", "equal")


def draw():
    """Three variables; groups differ on both levels, and in the order of appearance from a to z."""
    rng = np.random.default_rng(13)
    frames = []
    for k, group in enumerate(reversed(GROUPS)):
        B = 0.3 * (np.eye(3) + 0.5) * (1 + 0.4 * k)
        W = (np.eye(3) + 0.3) * (1 + 0.3 * k)
        u = rng.multivariate_normal(np.full(3, 0.2 * k), B, CLUSTERS)
        e = rng.multivariate_normal(np.zeros(3), W, CLUSTERS * MEMBERS)
        values = np.repeat(u, MEMBERS, axis=0) + e
        frame = pd.DataFrame(values, columns=["x1", "x2", "x3"]).round(3)
        frame.insert(0, "cluster", 100 * k + np.repeat(np.arange(CLUSTERS), MEMBERS))
        frames.append(frame.assign(group=group))
    return pd.concat(frames)


def cases():
    """All p, K and hypotheses, single equalities, positions: the arguments of each."""
    for p, K, within, between in product((1, 2, 3), (1, 2, 3), FREE_EQUAL, FREE_EQUAL):
        yield {"p": p, "K": K, "within": within, "between": between}
    yield {"p": 2, "K": 2, "means": "equal"}
    equal = ["between.x2~~x1", "within.x1~~x1", "mean.x2"]
    yield {"p": 2, "K": 2, "between": "free", "equal": equal}
    yield {"p": 3, "K": 3, "between": "free", "equal": ["within.x3~~x1", "between.x2~~x2"]}
    yield {"p": 2, "K": 1, "position": True}
    yield {"p": 2, "K": 2, "position": True, "within": "equal"}


def with_syntax(case, form):
    """Add the syntax to the arguments of a case."""
    settings = {name: value for name, value in case.items() if name not in ("p", "K")}
    variables = [f"x{k}" for k in range(1, case["p"] + 1)]
    n = MEMBERS if form == "wide" else None
    text = lavaan_syntax(variables, n, GROUPS[: case["K"]], form=form, **settings)
    used = GROUPS[: case["K"]]
    return {"settings": settings, "variables": variables, "groups": used, "form": form} | {
        "syntax": text.split("\n")
    }


if __name__ == "__main__":
    data = Path(__file__).parent / "data" / "lavaan_syntax.csv"
    draw().to_csv(data, index=False)
    forms = [(case, form) for case in cases() for form in ("wide", "two-level")]
    wanted = [with_syntax(c, f) for c, f in forms if f == "wide" or not c.get("position")]
    json.dump(wanted, sys.stdout)
