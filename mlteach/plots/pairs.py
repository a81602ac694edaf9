"""Two sets of random effects against each other, and the ellipse of the model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse

from mlteach.core.arguments import checked
from mlteach.core.distributions import chi2_quantile
from mlteach.core.palette import PALETTE
from mlteach.errors import ModelError
from mlteach.location_scale.design import SCALE
from mlteach.location_scale.result import LocationScaleResult
from mlteach.mixed.result import MixedResult
from mlteach.plots.checks import cluster_groups, group_title, need_effects
from mlteach.plots.legend import finished
from mlteach.plots.look import SERIES
from mlteach.plots.marks import axes_or_new, ellipse_axes
from mlteach.plots.words import number


@checked
def effects_pairs(
    fit: MixedResult | LocationScaleResult,
    a: str = "Intercept",
    b: str = "scale:Intercept",
    *,
    level: float = 0.95,
    color_by: str | pd.Series | None = None,
    data: pd.DataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw two sets of predicted random effects against each other, with the model's ellipse.

    The ellipse holds that share of the *true* effects under the model. Predicted effects are
    shrunk, so fewer of them lie outside it, and their correlation is not the model's.

    Parameters
    ----------
    fit : MixedResult or LocationScaleResult
    a, b : str
        Random effects along the horizontal and the vertical axis.
    level : float, default 0.95
        Share of the ellipse.
    color_by : str or Series, optional
        Colour by a level-2 characteristic, as in :func:`caterpillar`.
    data : DataFrame, optional
        The data that hold the column ``color_by`` (and, in ``attrs``, the words for columns).
    labels : mapping of str to str, optional
        Words for effects.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    DataError, ModelError
        If there is no such effect, both are the same, or one has no variance.

    Examples
    --------
    >>> import mlteach as mt
    >>> from mlteach import plots
    >>> fit = mt.fit_location_scale("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)",
    ...                             mt.load("london"))
    >>> ax = plots.effects_pairs(fit)
    >>> ax.get_legend().get_texts()[-1].get_text()
    '95% ellipse, r = 0.39'
    """
    need_effects(fit, "effects_pairs", a, b)
    if a == b:
        raise ModelError(f"effects_pairs needs two different effects; both are '{a}'.")
    table = (fit.random if isinstance(fit, LocationScaleResult) else fit.tau).loc[[a, b], [a, b]]
    omega = table.to_numpy()
    flat = table.index[omega.diagonal() <= 0.0]
    if len(flat):
        raise ModelError(
            f"The variance of '{flat[0]}' is estimated as zero: all its predicted effects are zero."
        )
    both = fit.ranef()[[a, b]]
    groups = cluster_groups(fit, color_by, data, "effects_pairs", alone="predicted effects")
    ax = axes_or_new(ax)
    for name, (color, marker) in zip(groups.cat.categories, SERIES, strict=False):
        members = both[groups == name]
        ax.plot(members[a], members[b], ls="", marker=marker, ms=4.5, color=color, label=name)
    rho = float(np.clip(omega[0, 1] / np.sqrt(omega[0, 0] * omega[1, 1]), -1.0, 1.0))
    _draw_ellipse(ax, omega, level, f"{level:.0%} ellipse, r = {number(rho)}")
    for line in (ax.axhline, ax.axvline):
        line(0, color=PALETTE["light"], lw=1, zorder=0)
    ax.set(xlabel=_effect_text(fit, a, labels), ylabel=_effect_text(fit, b, labels))
    title = group_title(groups, labels, data)
    return finished(ax, _describe(fit, both, level, rho, omega), title=title, ground=True)


def _draw_ellipse(ax: Axes, omega: np.ndarray, level: float, text: str) -> None:
    lengths, angles = ellipse_axes(omega, level)
    look = {"angle": angles[1], "fill": False, "ec": PALETTE["black"], "ls": "--", "lw": 1.4}
    ax.add_patch(Ellipse((0.0, 0.0), *lengths[::-1], label=text, **look))
    ax.autoscale_view()


def _effect_text(fit, effect: str, labels) -> str:
    if labels is not None and effect in labels:
        return labels[effect]
    place = effect.removeprefix(SCALE)
    what = f"log variance of {fit.outcome}" if place != effect else fit.outcome
    return (
        f"Effect on {what}" if place == "Intercept" else f"Effect on the slope of {place}, {what}"
    )


def _describe(fit, both: pd.DataFrame, level: float, rho: float, omega: np.ndarray) -> str:
    a, b = both.columns
    distance = np.einsum("ja,ab,jb->j", both, np.linalg.pinv(omega), both)
    outside = (distance > chi2_quantile(level, 2)).sum()
    return (
        f"Predicted effects {b} against {a} of {len(both)} clusters ({fit.cluster}). The model's "
        f"correlation is {number(rho)}, that of the predictions {number(both.corr().iloc[0, 1])}. "
        f"{outside} of {len(both)} lie outside the {level:.0%} ellipse of the model."
    )
