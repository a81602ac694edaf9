"""What a fit tells its reader in plain words: the same words, whichever fitter made it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

# With fewer clusters than this the advice for small samples is given.
FEW_CLUSTERS = 10
# Codes for missing values that one column may have (97, 98, 99).
MOST_CODES = 3
# Nines, or nines that end in 6 to 8, or one digit repeated: what codebooks take.
_CODE = re.compile(r"9*[6-9]|7{2,}|8{2,}")


def convergence_notes(fit) -> tuple[str, ...]:
    """That a fit did not end at a maximum; empty if it did."""
    return () if fit.converged else (f"NOT CONVERGED: {fit.optimizer.status}.",)


def left_out_note(left_out: int, total: int, per_column: Mapping) -> str:
    """How many rows a fit does without, and which columns are to blame; empty if none.

    Examples
    --------
    >>> left_out_note(2, 10, {"x": 2, "y": 0})
    '2 of 10 rows are left out for missing values: x (2).'
    """
    which = ", ".join(f"{column} ({count})" for column, count in per_column.items() if count)
    text = f"{left_out} of {total} rows are left out for missing values: {which}."
    return text if left_out else ""


def few_clusters_note(J: int, where: str = "") -> str:
    """What to do with so few clusters that their variance is hardly known; empty if there are more.

    ``where`` names a part of the data, as in " in group 'A'".
    """
    if J >= FEW_CLUSTERS:
        return ""
    return (
        f"{J} clusters{where} say little about the variance between clusters: use REML (fit_mixed) "
        "with ddf='kenward-roger' and profile intervals, or give each cluster its own intercept "
        "(fixed effects), and do not rely on z-tests or on cluster-robust standard errors."
    )


def zero_variance_note(name: str) -> str:
    """What it means that a variance between clusters is zero."""
    return (
        f"The variance of {name} is estimated as exactly zero: the clusters differ no more than "
        "sampling within them explains (singular fit). This is an answer, not an error."
    )


def correlation_note(pair: str, sign: float) -> str:
    """What it means that a correlation of random effects is one or minus one."""
    return (
        f"The correlation {pair} is estimated as {sign:+.0f}: the data carry too little "
        "information to keep it off the boundary (singular fit). Simplify the random part, or "
        "read the correlation as 'not determined'."
    )


def undetermined_notes(
    sets: Sequence[Sequence[str]], advice: str = "simplify the random part"
) -> list[str]:
    """Which parameters cannot be estimated, one note a direction."""
    return [
        f"The data say nothing of {names[0]}: no value of it would make another prediction. It has "
        f"no standard error; {advice}."
        if len(names) == 1
        else f"The data cannot tell {listed(names)} apart: they can change together without any "
        f"change in what the model predicts. They have no standard errors; {advice}."
        for names in sets
    ]


def listed(names: Iterable[str]) -> str:
    """Names as in a sentence.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def said_values(values: Mapping[str, object]) -> str:
    """Values of columns as in a sentence.

    Examples
    --------
    >>> said_values({"ses": -0.5, "sector": "Public"})
    'ses = -0.5, sector = Public'
    """
    said = {name: v if isinstance(v, str) else f"{v:g}" for name, v in values.items()}
    return ", ".join(f"{name} = {text}" for name, text in said.items())


# ------------------------------------------------------------------------ codes for missing values


def codes_in(columns: Mapping[str, np.ndarray], codes: np.ndarray) -> list[str]:
    """Notes on columns in which a value far from all others recurs: -99, 999.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (N,)
        NaN where missing.
    codes : ndarray of int, shape (N,)
        Cluster of each row.
    """
    notes = []
    for name, x in columns.items():
        found = recurring_far_outside(x, codes)
        if found:
            values = listed([f"{value:.10g} ({count} rows)" for value, count in found.items()])
            notes.append(
                f"{name} has a value that recurs far from all others: {values}. If it is a code "
                f"for missing values, set it to missing first: data['{name}'].replace("
                f"{next(iter(found)):.10g}, float('nan'))."
            )
    return notes


def recurring_far_outside(x: np.ndarray, codes: np.ndarray) -> dict[float, int]:
    """Values at the ends of a column that look like codes, and how often each occurs.

    Far outside means beyond the range of the rest: by half of it for what looks like a code (99,
    -999, 98), by the whole for a code of one digit, by three times that for any other value, which
    must recur in several clusters too.

    Examples
    --------
    >>> x = np.array([1.0, 2, 3, 4, 5, 3, 2, 99, 99])
    >>> recurring_far_outside(x, np.arange(9))
    {99.0: 2}
    """
    found: dict[float, int] = {}
    rest, known = x[~np.isnan(x)], -1
    # The other end hides behind the wider of the two: after a find each is looked at once more.
    while len(found) > known:
        known = len(found)
        for sign in (1, -1):
            for value in _far_above(sign * rest):
                here = rest == sign * value
                clusters = codes[x == sign * value]
                if _looks_like_code(value) or (clusters != clusters[0]).any():
                    found[float(sign * value)] = int(here.sum())
                    rest = rest[~here]
    return found


def _far_above(x: np.ndarray) -> list[float]:
    """The few largest values, if they lie far above the rest and recur."""
    tops, counts = [], []
    while len(x) and len(tops) < MOST_CODES and counts != [1, 1]:
        top = x.max()
        rest = x[x < top]
        tops.append(top)
        counts.append(len(x) - len(rest))
        x = rest
        if max(counts) > 1 and len(x) and _is_far(tops, x):
            return tops
    return []


def _is_far(tops: list[float], rest: np.ndarray) -> bool:
    spread = np.ptp(rest)
    alike = all(_looks_like_code(top) for top in tops)
    needed = (1.0 if len(f"{abs(tops[0]):.0f}") == 1 else 0.5) if alike else 3.0
    return bool(spread > 0 and tops[-1] - rest.max() >= needed * spread)


def _looks_like_code(value: float) -> bool:
    return bool(_CODE.fullmatch(f"{abs(value):.10g}"))
