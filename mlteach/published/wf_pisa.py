"""Figures of the published WF multigroup illustration, Albania and Ireland in PISA 2022.

Printed ones from the article of Walther, Hecht, Nagengast and Zitzmann, and ours from their file
(see :func:`mlteach.data.wf_pisa.load_wf_pisa`), for the values they completed and for those that
were observed: four multigroup models each, and location-scale models of the observed values. The
file itself may not be passed on.
"""

from __future__ import annotations

import pandas as pd

from mlteach.data.shipped import folder

FILE = "published_wf_pisa.csv"
COUNTRIES, SCALES = ("Albania", "Ireland"), ("CREATAS", "GROSAGR")


def printed_moments() -> pd.DataFrame:
    """Table 1 of the article: mean and SD of each scale and country, observed and imputed.

    Returns
    -------
    DataFrame
        Indexed by scale and country; columns mean, sd, imputed mean, imputed sd.
    """
    rows = [
        (1.08, 1.34, 1.13, 1.36), (0.09, 0.77, 0.07, 0.77),
        (-0.36, 1.29, -0.33, 1.31), (0.16, 0.86, 0.16, 0.87),
    ]  # fmt: skip
    index = pd.MultiIndex.from_product([SCALES, COUNTRIES], names=["scale", "country"])
    return pd.DataFrame(rows, index, columns=["mean", "sd", "imputed mean", "imputed sd"])


def printed_estimates() -> pd.Series:
    """Section 3.3 and Figure 6 of the article: the model with heterogeneous within (co)variances.

    Returns
    -------
    Series
        Indexed by quantity and country, ``Albania / Ireland`` for a ratio.
    """
    values = {
        "within CREATAS": (1.73, 0.57), "within GROSAGR": (1.68, 0.74),
        "within covariance": (-0.02, 0.04),
        "ICC CREATAS": (0.04, 0.11), "ICC GROSAGR": (0.02, 0.04),
    }  # fmt: skip
    rows = {
        (name, g): v for name, pair in values.items() for g, v in zip(COUNTRIES, pair, strict=True)
    }
    rows |= {("ratio CREATAS", "Albania / Ireland"): 3.04}
    rows |= {("ratio GROSAGR", "Albania / Ireland"): 2.27}
    return pd.Series(rows, name="printed").rename_axis(["quantity", "country"])


def authors_file() -> pd.DataFrame:
    """Our estimates from the authors' file.

    Returns
    -------
    DataFrame
        Indexed by values ("filled", "observed"), model and name (of a parameter, or "llf"); columns
        estimate and se.

    Examples
    --------
    >>> from mlteach.published import authors_file
    >>> models = authors_file()["estimate"].xs("llf", level="name")
    >>> gain = models["filled", "within free, between free"]
    >>> (2 * (gain - models["filled", "within free, between equal"])).round(1).item()
    81.6
    """
    return pd.read_csv(folder() / FILE).set_index(["values", "model", "name"]).sort_index()


def authors_icc(values: str, between: str) -> pd.DataFrame:
    """ICC by country and scale in the authors' file, within free.

    Parameters
    ----------
    values : {"filled", "observed"}
    between : {"equal", "free"}

    Examples
    --------
    >>> from mlteach.published import authors_icc
    >>> authors_icc("filled", "free").round(3)
             CREATAS  GROSAGR
    Albania    0.060    0.028
    Ireland    0.049    0.013
    """
    at = authors_file()["estimate"].loc[(values, f"within free, between {between}")]

    def icc(v: str, g: str) -> float:
        own = "" if between == "equal" else f"[{g}]"
        b, w = at[f"between.{v}~~{v}{own}"], at[f"within.{v}~~{v}[{g}]"]
        return b / (b + w)

    return pd.DataFrame({v: [icc(v, g) for g in COUNTRIES] for v in SCALES}, COUNTRIES)
