"""Small matrices as shaded squares, such as the covariance matrix of four students."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mlteach.core.arguments import checked
from mlteach.diagrams.base import write
from mlteach.errors import DataError


@checked
def matrix_diagram(
    values: np.ndarray | pd.DataFrame,
    *,
    entries: Sequence[Sequence[str]] | None = None,
    labels: Sequence[str] | None = None,
    digits: int = 1,
    ax: Axes | None = None,
) -> Axes:
    """Draw a small matrix as squares: the larger the entry, the darker; zero is white.

    Parameters
    ----------
    values : array or DataFrame, shape (n, m)
        Non-negative entries.
    entries : n sequences of m str, optional
        Text of the squares, for example LaTeX; by default the values.
    labels : sequence of str, optional
        Names of rows and columns of a square matrix; by default those of a DataFrame.
    digits : int, default 1
        Decimals of the values that are written.
    ax : Axes, optional
        A new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError
        If the matrix is not two-dimensional or an entry is negative or not finite.

    Examples
    --------
    >>> ax = matrix_diagram(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> [text.get_text() for text in ax.texts]
    ['2.0', '1.0', '1.0', '2.0']
    """
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or not np.all(np.isfinite(matrix)) or matrix.min() < 0.0:
        raise DataError("A matrix diagram needs a matrix of finite entries that are not negative.")
    ax = ax or plt.subplots(figsize=(3.6, 3.4), layout="constrained")[1]
    top = matrix.max() or 1.0
    # Only the lighter 55% of the colours are used, so that black text is readable on all.
    ax.imshow(matrix, cmap="Blues", vmin=0.0, vmax=top / 0.55)
    for (row, col), value in np.ndenumerate(matrix):
        text = f"{value:.{digits}f}" if entries is None else entries[row][col]
        write(ax, col, row, text, 10)
    if labels is None and isinstance(values, pd.DataFrame):
        labels = [str(name) for name in values.index]
    for axis, length in zip((ax.yaxis, ax.xaxis), matrix.shape, strict=True):
        axis.set_ticks(range(length), [""] * length if labels is None else labels)
        axis.set_ticks(np.arange(0.5, length - 1), minor=True)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(which="minor", color="white", linewidth=2)
    ax.tick_params(which="minor", length=0, top=False)
    ax.spines[:].set_color("#BBBBBB")
    return ax
