"""Level-2 functions of a location-scale model: reading them, and their units.

Each element of Omega (a variance named like its effect, a correlation ``a:b``) has a formula of
level-2 predictors, ``~ 1`` unless asked for. The functions are fitted to scaled effects; a scaling
moves the intercept of a log variance and leaves correlations as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from mlteach.core.arguments import refuse_others
from mlteach.core.columns import first_rows
from mlteach.core.design import Design, design, new_rows, varies_within
from mlteach.core.formula import parse, with_random
from mlteach.core.scaling import Standard, standardise
from mlteach.core.summary import pair_name
from mlteach.errors import FormulaError, ModelError
from mlteach.location_scale.design import SCALE, LocationScaleDesign
from mlteach.location_scale.effects import FunctionMap, free_pattern, functions_to_omega

# A log variance this low (of a scaled effect) is that of zero, a Fisher's z this high that of one.
LOG_ZERO, Z_ONE = -14.0, 5.0


@dataclass(frozen=True)
class LevelTwoFunctions:
    """The level-2 functions of a model, in the user's and in scaled units.

    Attributes
    ----------
    map : FunctionMap
        In scaled units, effects in the order of the likelihood (scale effects first).
    names : tuple of str
        Name of each element, with mean effects first inside a pair.
    designs : tuple of Design
        Of each function's predictors; the same object where formulas are the same.
    units : ndarray, shape (d,)
        Size in the user's units of an effect of one in the units of the fit.
    standards : tuple of Standard
        Scaling of each function's predictors.
    """

    map: FunctionMap
    names: tuple[str, ...]
    designs: tuple[Design, ...]
    units: np.ndarray
    standards: tuple[Standard, ...]

    def in_users_units(self, theta: np.ndarray) -> list[np.ndarray]:
        """Coefficients (..., k_e) of each function, from theta (..., m)."""
        return [
            part @ self.standards[k].matrix.T + self.shift(k)
            for k, part in enumerate(self.map.pieces(theta))
        ]

    @property
    def labels(self) -> pd.MultiIndex:
        """Element and predictor of every coefficient."""
        pairs = zip(self.names, self.designs, strict=True)
        labels = [(name, predictor) for name, own in pairs for predictor in own.x_names]
        return pd.MultiIndex.from_tuples(labels, names=["element", "predictor"])

    def shift(self, k: int) -> np.ndarray:
        """What the units of the effects add to the coefficients of function k."""
        row, col = self.map.rows[k], self.map.cols[k]
        add = 2.0 * np.log(self.units[row]) if row == col else 0.0
        return add * self.standards[k].constant

    def coefficients(self, theta: np.ndarray, cov: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """All coefficients in the user's units, and their SEs; those at the boundary have none."""
        to_users = block_diag(*(standard.matrix for standard in self.standards))
        se = np.sqrt(np.diag(to_users @ cov @ to_users.T))
        lost = self.labels.get_level_values("element").isin(self.at_boundary(theta))
        return np.concatenate(self.in_users_units(theta)), np.where(lost, np.nan, se)

    def start(self, omega: np.ndarray) -> np.ndarray:
        """Theta (m,) of functions that are the same everywhere, near to a matrix (d, d)."""
        row, col = self.map.rows, self.map.cols
        # A variance of zero has no logarithm, a correlation of one no transformed value.
        variance = np.maximum(np.diag(omega), 1e-4)
        rho = np.clip(omega[row, col] / np.sqrt(variance[row] * variance[col]), -0.9, 0.9)
        levels = np.where(row == col, np.log(variance[row]), np.arctanh(rho))
        return self.constant(levels)

    def constant(self, levels: np.ndarray) -> np.ndarray:
        """Theta (m,) of functions that have these values (e,) everywhere."""
        parts = zip(levels, self.standards, strict=True)
        return np.concatenate([level * standard.constant for level, standard in parts])

    def at_boundary(self, theta: np.ndarray) -> list[str]:
        """Elements that are at the boundary in some cluster, as far as numbers can tell."""
        map_ = self.map
        functions = zip(self.names, map_.rows, map_.cols, map_.values(theta), strict=True)
        return [
            name
            for name, row, col, value in functions
            if (value.min() < LOG_ZERO if row == col else np.abs(value).max() > Z_ONE)
        ]

    def omega(self, theta: np.ndarray, data: pd.DataFrame | None = None) -> np.ndarray:
        """Covariance matrices at rows of level-2 predictors, user's units, mean effects first.

        Parameters
        ----------
        theta : ndarray, shape (..., m)
        data : DataFrame, optional
            By default the mean of the predictors over clusters: one matrix.

        Returns
        -------
        ndarray, shape (..., rows, d, d)
        """
        values = []
        for k, coefficient in enumerate(self.in_users_units(theta)):
            if data is None:
                first = first_rows(self.designs[k].codes)
                G = self.designs[k].X[first].mean(axis=0, keepdims=True)
            else:
                G = new_rows(self.designs[k], data)[0]
            values.append(coefficient @ G.T)
        d = len(self.units)
        omega = functions_to_omega(values, self.map.rows, self.map.cols, d)
        order = np.r_[self.map.r : d, : self.map.r]
        return omega[..., order, :][..., order]


def level_two_functions(
    d: LocationScaleDesign, between: str | Mapping[str, str], association: bool
) -> LevelTwoFunctions:
    """Read the level-2 functions.

    Parameters
    ----------
    d : LocationScaleDesign
        Not centred.
    between : str or mapping of str to str
        One formula for all elements, or a formula for each element named.
    association : bool
        Whether effects of the two functions may correlate.

    Raises
    ------
    FormulaError
        Unknown element, or a formula that cannot be read.
    ModelError
        A predictor that varies within clusters.
    """
    r, q = len(d.s_names), len(d.mean.z_names)
    effects = [*(SCALE + name for name in d.s_names), *d.mean.z_names]
    rows, cols = np.nonzero(np.tril(free_pattern(d.s_blocks, d.mean.blocks, association)))
    # In a pair the mean function's effect comes first.
    pairs = ((a, b) if b < r <= a else (b, a) for a, b in zip(rows, cols, strict=True))
    names = tuple(pair_name(effects, *pair) for pair in pairs)
    formulas = _formulas(between, names)
    read = {text: _read(text, d.mean, d.data) for text in dict.fromkeys(formulas.values())}
    designs, standards = zip(*(read[formulas[name]] for name in names), strict=True)
    first = first_rows(d.mean.codes)
    scaled = tuple(g.X[first] @ s.matrix for g, s in zip(designs, standards, strict=True))
    units = np.r_[np.diag(d.T_s), d.scaling.scale * np.diag(d.scaling.T)]
    map_ = FunctionMap(r, q, rows, cols, scaled)
    return LevelTwoFunctions(map_, names, designs, units, standards)


def _formulas(between: str | Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    if isinstance(between, str):
        return dict.fromkeys(names, between)
    if not isinstance(between, Mapping):
        raise FormulaError(f"between= is a formula or a dict of formulas, not {between!r}.")
    what = "in between= is no element of Omega here"
    refuse_others(between, names, what, "Elements", FormulaError)
    return {name: between.get(name, "~ 1") for name in names}


def _read(text: str, mean: Design, data: pd.DataFrame) -> tuple[Design, Standard]:
    if not isinstance(text, str) or not text.strip().startswith("~"):
        raise FormulaError(f"A level-2 function is a formula such as '~ sector', not {text!r}.")
    formula = parse(f"{mean.formula.left} {text.strip()}")
    if formula.random:
        raise FormulaError(f"The level-2 function '{text}' has a random part; it can have none.")
    d = design(parse(with_random(formula.text, mean.formula.cluster)), data)
    varying = varies_within(d)
    if varying.any():
        raise ModelError(
            f"'{d.x_names[int(np.argmax(varying))]}' varies within '{mean.formula.cluster}', so it "
            "cannot explain how the clusters' effects vary. Use level-2 predictors in between=."
        )
    standard = standardise(d.X, d.x_names, "level-2 predictor")
    if not standard.constant.any():
        raise FormulaError(f"The level-2 function '{text}' needs its intercept.")
    return d, standard
