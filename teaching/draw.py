"""Data of your own: your schools, and the numbers of your pencil tasks, follow from your name.

The same name always draws the same. Schools are drawn from the book's data sets, whole, without
replacement: the story is everybody's, the numbers are yours.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pandas as pd

import mlteach as mt

#: Data set of each problem set, and how many schools of each kind are drawn (of all: None).
SCHOOLS = {
    "ps1": ("hsb", "sector", 30),
    "ps2": ("hsb", "sector", 40),
    "ps3": ("london", None, 50),
    "ps4": ("london", None, 50),
    "ps5": ("hsb", "sector", 40),
}


def generator(problem_set: str, name: str) -> np.random.Generator:
    """Return the random numbers of one student for one problem set."""
    if not isinstance(name, str) or not name.strip():
        raise ValueError(
            'Put your name in the course into the first cell, in quotes: NAME = "...".'
        )
    text = f"{problem_set} {name.strip().casefold()}"
    return np.random.default_rng(int.from_bytes(sha256(text.encode()).digest()[:8], "big"))


def student_data(problem_set: str, name: str) -> pd.DataFrame:
    """Draw a student's schools, with all of their students."""
    data_set, kind, count = SCHOOLS[problem_set]
    data, rng = mt.load(data_set), generator(problem_set, name)
    schools = data.groupby("school").first()
    groups = [schools] if kind is None else [group for _, group in schools.groupby(kind)]
    chosen = np.concatenate([rng.choice(group.index, count, replace=False) for group in groups])
    return data[data["school"].isin(chosen)].reset_index(drop=True)


def student_numbers(problem_set: str, name: str) -> dict:
    """Draw the numbers of a student's pencil tasks."""
    rng = generator(f"{problem_set} numbers", name)
    return {"ps1": _plan, "ps2": _formulas, "ps3": _slopes, "ps4": _spread, "ps5": _structures}[
        problem_set
    ](rng)


def _one(rng: np.random.Generator, *values: float) -> float:
    return values[rng.integers(len(values))]


def _plan(rng: np.random.Generator) -> dict:
    return {
        "icc": _one(rng, 0.06, 0.08, 0.12, 0.15, 0.22),
        "students": _one(rng, 16, 18, 24, 28, 30),
        "school_costs": _one(rng, 300, 420, 560, 700),
        "student_costs": _one(rng, 8, 12, 15, 20),
    }


def _formulas(rng: np.random.Generator) -> dict:
    coefficients = [
        ("math ~ ses_c", "ses_c"),
        ("math ~ ses_within + ses_mean", "ses_mean"),
        ("math ~ ses_c + ses_mean", "ses_mean"),
        ("math ~ ses_c + ses_mean", "ses_c"),
    ]
    return {"coefficients": [coefficients[k] for k in rng.permutation(4)]}


def _slopes(rng: np.random.Generator) -> dict:
    return {
        "score11": _one(rng, 1.2, 1.4, 1.6, 1.8, 2.2),
        "clinics": _one(rng, 9, 10, 14, 15, 16),
        "patients": _one(rng, 6, 8, 12, 15),
        "coefficients": _one(rng, 2, 3, 4),
        "tau2": _one(rng, 0.3, 0.4, 0.6),
        "sigma2": _one(rng, 1.2, 1.5, 2.0),
    }


def _spread(rng: np.random.Generator) -> dict:
    return {
        "students": _one(rng, 20, 30, 35, 45),
        "sigma2_v": _one(rng, 0.08, 0.12, 0.16, 0.24),
        "z": _one(rng, 2.6, 2.9, 3.1, 3.4),
    }


def _structures(rng: np.random.Generator) -> dict:
    return {
        "variables": _one(rng, 2, 3, 4),
        "members": _one(rng, 12, 15, 25, 40),
        "tau2": _one(rng, 3.0, 5.0, 8.0),
        "icc_1": _one(rng, 0.18, 0.22, 0.26),
        "icc_2": _one(rng, 0.08, 0.10, 0.12),
        "estimates": [round(float(x), 2) for x in rng.normal(2.0, 0.3, 5)],
        "errors": [round(float(x), 2) for x in rng.uniform(0.2, 0.4, 5)],
        "icc": _one(rng, 0.05, 0.08, 0.12),
        "error": _one(rng, 0.15, 0.20, 0.25),
    }


def given(answer: object) -> None:
    """Stop where there is no answer yet."""
    parts = answer if isinstance(answer, tuple | list) else (answer,)
    if any(part is ... or part is None for part in parts):
        raise ValueError("No answer yet: put your answer in place of ...")
