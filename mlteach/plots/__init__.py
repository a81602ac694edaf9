"""Figures of two-level data and models, with matplotlib.

Every function takes a fit (or data and column names) and ``ax=None``, draws, and returns the
matplotlib Axes, so that figures compose: ``fig, axes = plt.subplots(1, 2)``, then ``ax=axes[0]``.
``describe(ax)`` says in plain sentences what was drawn. Importing this changes no setting of
matplotlib; ``use_style()`` or ``with style():`` gives figures the look of the book.
"""

from mlteach.core.palette import PALETTE
from mlteach.plots.caterpillar import caterpillar
from mlteach.plots.centering import contextual_triangle, smushing
from mlteach.plots.clusters import cluster_dots
from mlteach.plots.diagnostics import qq, residual_spread
from mlteach.plots.estimates import coefficients, variance_bar, variance_parts
from mlteach.plots.fan import cluster_lines
from mlteach.plots.location_scale import cluster_variances, effects_pairs
from mlteach.plots.missing import missing_patterns
from mlteach.plots.multigroup import group_quantities
from mlteach.plots.posterior import chains, prior_posterior
from mlteach.plots.r_squared import r_squared
from mlteach.plots.relations import within_between
from mlteach.plots.shrinkage import shrinkage
from mlteach.plots.slopes import johnson_neyman, simple_slopes, variance_function
from mlteach.plots.style import style, use_style
from mlteach.plots.variance_lines import variance_lines
from mlteach.plots.words import describe

__all__ = [
    "PALETTE",
    "caterpillar",
    "chains",
    "cluster_dots",
    "cluster_lines",
    "cluster_variances",
    "coefficients",
    "contextual_triangle",
    "describe",
    "effects_pairs",
    "group_quantities",
    "johnson_neyman",
    "missing_patterns",
    "prior_posterior",
    "qq",
    "r_squared",
    "residual_spread",
    "shrinkage",
    "simple_slopes",
    "smushing",
    "style",
    "use_style",
    "variance_bar",
    "variance_function",
    "variance_lines",
    "variance_parts",
    "within_between",
]
