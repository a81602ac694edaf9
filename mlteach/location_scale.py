"""Location-scale models: random effects in the mean and in the log of the level-1 variance.

    y_ij = x'beta + z'u_j + e_ij,   log Var(e_ij) = w'alpha + s'v_j,   (u_j, v_j) ~ N(0, Omega)

A fit goes two formulas -> rows in scaled units -> start values from the mixed model with one
level-1 variance -> maximum of the collapsed likelihood -> result.
"""

from __future__ import annotations

import warnings

from mlteach.errors import ConvergenceWarning, ModelError
from mlteach.lazy import lazy_import
from mlteach.location_scale_design import LocationScaleDesign, location_scale_design
from mlteach.location_scale_fit import CholeskyMap, maximise, start_values
from mlteach.location_scale_result import LocationScaleResult
from mlteach.mixed import fit_mixed

pd = lazy_import("pandas")

# Quadrature points a dimension, by the number of random effects in the variance function.
POINTS = {0: 1, 1: 15, 2: 9}


def fit_location_scale(
    formula: str,
    variance: str,
    data: pd.DataFrame,
    *,
    association: bool = True,
    points: int | None = None,
) -> LocationScaleResult:
    """Fit a location-scale model by maximum likelihood.

    Parameters
    ----------
    formula : str
        Mean function, as for :func:`fit_mixed`:
        ``"score16 ~ score11 + (1 + score11 | school)"``.
    variance : str
        Log variance function, the right-hand side only: ``"~ score11 + (1 | school)"``. It may
        have up to two random effects; with none (``"~ sector"``) the variance differs by its
        predictors alone.
    data : DataFrame
        One row a level-1 unit. Rows with a missing value in a column of either function are left
        out and announced by a ``DataWarning``.
    association : bool, default True
        Whether the random effects of the two functions may correlate.
    points : int, optional
        Points of the adaptive Gauss-Hermite quadrature, a dimension; 15 for one random effect in
        the variance function, 9 for two.

    Returns
    -------
    LocationScaleResult

    Raises
    ------
    FormulaError, DataError, ModelError
        As :func:`fit_mixed`; for other clusters in the two functions, for more than two random
        effects in the variance function, and where clusters of one row cannot carry one.

    Examples
    --------
    >>> import mlteach as mt
    >>> fit = mt.fit_location_scale("math ~ sector + (1 | school)", "~ sector + (1 | school)",
    ...                             mt.load("hsb"))
    >>> round(fit.llf, 4)
    -23507.1303
    >>> fit.log_variance["estimate"].round(3).to_dict()
    {'Intercept': 3.518, 'sector[T.Public]': 0.265}

    References
    ----------
    Hedeker, Mermelstein & Demirtas (2008), Biometrics 64(2), doi:10.1111/j.1541-0420.2007.00924.x.
    Leckie, French, Charlton & Browne (2014), Journal of Educational and Behavioral Statistics
    39(5), doi:10.3102/1076998614546494.
    """
    d = location_scale_design(formula, variance, data)
    r = len(d.s_names)
    points = POINTS[r] if points is None else _check_points(points)
    cholesky = CholeskyMap.from_blocks(d.s_blocks, d.mean.blocks, association)
    start = _start(d, cholesky, data)
    deviance, record, hessian = maximise(d.rows, cholesky, start, points)
    result = LocationScaleResult(d, deviance, record, hessian)
    if not record.converged:
        warnings.warn(
            f"'{result.formula}' {record.status}. Try fewer random effects, or predictors nearer "
            "to zero and of similar size.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return result


def _check_points(points: int) -> int:
    if not isinstance(points, int) or isinstance(points, bool) or not 3 <= points <= 101:
        raise ModelError(f"points={points!r} is not a whole number from 3 to 101.")
    return points


def _start(d: LocationScaleDesign, cholesky: CholeskyMap, data: pd.DataFrame):
    """Start values from the mixed model with one level-1 variance."""
    rows = data.loc[d.mean.index] if len(data) != len(d.mean.index) else data
    mixed = fit_mixed(d.mean.formula.text, rows, reml=False)
    problem, state = mixed.problem, mixed.problem.state(mixed.theta)
    Lambda = problem.map.Lambda(mixed.theta)
    Psi = Lambda @ Lambda.T
    return start_values(d.rows, cholesky, state.beta, state.rss / problem.nu * Psi, state.t @ Psi)
