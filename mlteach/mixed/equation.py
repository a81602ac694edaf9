"""The equation of a fitted model in LaTeX, in the two notations of the field.

``levels`` writes one equation a level (Raudenbush & Bryk 2002): each level-1 coefficient that
varies, or that a level-2 predictor moderates, has a level-2 equation of its own. ``combined``
writes the same model in one line.
"""

from __future__ import annotations

import re

from mlteach.core.arguments import checked, one_of
from mlteach.core.design import varies_within
from mlteach.core.summary import INTERCEPT
from mlteach.mixed.estimates import MixedEstimates

_CONSTANT = (INTERCEPT,)


class Equation(str):
    """LaTeX text that notebooks typeset."""

    def _repr_latex_(self) -> str:
        return f"$$\n{self}\n$$"


@checked
def equation(fit: MixedEstimates, notation: str = "levels") -> Equation:
    r"""The model in LaTeX.

    Parameters
    ----------
    notation : {"levels", "combined"}
        One equation a level, or all in one line.

    Returns
    -------
    Equation
        A LaTeX ``aligned`` block, without dollar signs.

    Raises
    ------
    ModelError
        For another notation.

    Examples
    --------
    >>> import mlteach as mt
    >>> print(mt.fit_empty("math", mt.load("hsb"), cluster="school").equation("combined"))
    \begin{aligned}
    \mathrm{math}_{ij} &= \gamma_{00} + u_{0j} + e_{ij} \\
    u_{0j} &\sim N(0, \tau_{00}), \quad e_{ij} \sim N(0, \sigma^2)
    \end{aligned}
    """
    one_of("notation", notation, ("levels", "combined"))
    d = fit.design
    slopes = _slopes(d.x_coded.factors, varies_within(d), d.z_factors)
    write = _levels if notation == "levels" else _combined
    lines = [*write(fit.outcome, slopes), _distributions(slopes, d.z_factors, d.blocks)]
    body = " \\\\\n".join(lines)
    return Equation(f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}")


def _slopes(x, varies_within, z):
    """Level-1 coefficients in order: factors -> (terms of its fixed part, its random effect).

    A product of one level-1 and one or more level-2 predictors moderates the level-1 slope if that
    slope is in the model by itself.
    """
    level1 = {_CONSTANT: []}
    level1 |= {own: [] for own, w in zip(x, varies_within, strict=True) if w}
    level1 |= {own: [] for own in z if own not in level1}
    level2 = {own for own, w in zip(x, varies_within, strict=True) if not w and own != _CONSTANT}
    for own in x:
        if own in level2:
            level1[_CONSTANT].append(own)
            continue
        slope = tuple(factor for factor in own if (factor,) not in level2)
        if len(own) > len(slope) == 1 and slope in level1 and own not in z:
            level1[slope].append(tuple(factor for factor in own if (factor,) in level2))
            del level1[own]
    slopes = {}
    for own, moderators in level1.items():
        if own in x or own in z or moderators:
            k = len(slopes)
            slopes[own] = _gammas(k, moderators, own in x), [f"u_{{{k}j}}"] if own in z else []
    return slopes


def _levels(outcome: str, slopes: dict) -> list[str]:
    terms = [_times(f"\\beta_{{{k}j}}", own, "ij") for k, own in enumerate(slopes)]
    lines = [f"{_text(outcome)}_{{ij}} &= {_sum(terms)} + e_{{ij}}"]
    for k, (gammas, u) in enumerate(slopes.values()):
        lines.append(f"\\beta_{{{k}j}} &= {_sum(gammas + u)}")
    return lines


def _combined(outcome: str, slopes: dict) -> list[str]:
    fixed = [_times(term, own, "ij") for own, (gammas, _) in slopes.items() for term in gammas]
    random = [_times(term, own, "ij") for own, (_, u) in slopes.items() for term in u]
    return [f"{_text(outcome)}_{{ij}} &= {_sum([*fixed, *random, 'e_{ij}'])}"]


def _gammas(k: int, moderators: list[tuple[str, ...]], fixed: bool) -> list[str]:
    """Level-2 regression of the k-th level-1 coefficient."""
    constant = [f"\\gamma_{{{k}0}}"] if fixed else []
    return constant + [
        _times(f"\\gamma_{{{k}{m}}}", own, "j") for m, own in enumerate(moderators, start=1)
    ]


def _times(coefficient: str, own: tuple[str, ...], subscript: str) -> str:
    if own == _CONSTANT:
        return coefficient
    factors = "\\,".join(f"{_text(factor)}_{{{subscript}}}" for factor in own)
    return f"{coefficient}\\,{factors}"


def _distributions(slopes: dict, z, blocks) -> str:
    number = {own: k for k, own in enumerate(slopes)}
    parts = []
    for block in blocks:
        k = [number[z[column]] for column in block]
        if len(k) == 1:
            parts.append(f"u_{{{k[0]}j}} &\\sim N(0, \\tau_{{{k[0]}{k[0]}}})")
            continue
        effects = " \\\\ ".join(f"u_{{{a}j}}" for a in k)
        rows = " \\\\ ".join(" & ".join(f"\\tau_{{{max(a, b)}{min(a, b)}}}" for b in k) for a in k)
        parts.append(
            f"\\begin{{pmatrix}} {effects} \\end{{pmatrix}} &\\sim "
            f"N\\left(0, \\begin{{pmatrix}} {rows} \\end{{pmatrix}}\\right)"
        )
    parts = [parts[0], *(part.replace("&", "", 1) for part in parts[1:])]
    return ", \\quad ".join([*parts, "e_{ij} \\sim N(0, \\sigma^2)"])


def _sum(terms: list[str]) -> str:
    return " + ".join(terms) or "0"


def _text(name: str) -> str:
    r"""A variable name in upright letters; a dummy shows as its category.

    Set by ``\mathrm``, because MathJax shows the backslash of an escaped underscore in ``\text``.
    """
    variable, category = re.fullmatch(r"(.*?)(?:\[T\.(.*)\])?", name, re.DOTALL).groups()
    inside = re.match(r"C\(\s*(\w+)", variable)
    shown = inside.group(1) if inside else variable
    if category is not None:
        shown = f"{shown} = {category}"
    escaped = shown.replace("_", r"\_").replace(" ", r"\ ")
    return rf"\mathrm{{{escaped}}}"
