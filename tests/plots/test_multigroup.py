"""Figures of multigroup models: what is drawn is what the model says."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

import mlteach as mt
from mlteach import plots
from mlteach.errors import ModelError


@pytest.mark.parametrize("what", ["icc", "variance_ratios", "correlations"])
def test_quantities_are_those_of_the_tables(hsb_groups, what) -> None:
    ax = plots.group_quantities(hsb_groups, what)
    table = hsb_groups.icc_table if what == "icc" else getattr(hsb_groups, what)
    markers = [line for line in ax.lines if line.get_marker() not in ("None", None, "")]
    drawn = np.concatenate([line.get_xdata() for line in markers])
    assert sorted(drawn) == pytest.approx(sorted(table["estimate"]))
    ends = np.concatenate([c.get_segments() for c in ax.collections])[..., 0]
    expected = np.sort(table[["lower", "upper"]].to_numpy(), axis=0)
    np.testing.assert_allclose(np.sort(ends, axis=0), expected)
    assert len({to_hex(line.get_color()) for line in markers}) == len(markers)
    assert ax.get_xscale() == ("log" if what == "variance_ratios" else "linear")


def test_what_cannot_be_drawn(hsb_groups) -> None:
    with pytest.raises(ModelError, match="what='ratio' is not known"):
        plots.group_quantities(hsb_groups, "ratio")


def test_nothing_to_show(hsb) -> None:
    fit = mt.fit_multigroup("math", hsb, cluster="school")
    with pytest.raises(ModelError, match="no ratio of variances"):
        plots.group_quantities(fit, "variance_ratios")
