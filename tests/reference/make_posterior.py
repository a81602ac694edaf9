"""Posterior means, SDs and DIC of the published location-scale models -> ``posterior.json``.

The models are Models 1-4 of High School and Beyond and Models 2-5 of the inner-London scores, in
``published_*_location_scale.csv``; predictors of the variance are centred where the publication
says so (Model 3: mean_ses, sd_ses). Four chains of 1,000 draws with the prior ``PRIOR`` of each
publication; some entries of High School and Beyond have ``OTHER`` priors.
Run from the root of the project: ``python tests/reference/make_posterior.py``; takes some minutes.
"""

import csv
import json
import sys
import warnings
from importlib import metadata
from pathlib import Path

import arviz as az
import numpy as np

import mlteach as mt
from mlteach.location_scale.bayes.checks import dic
from mlteach.location_scale.bayes.priors import InverseWishart
from mlteach.location_scale.bayes.sample import sample
from mlteach.location_scale.design import location_scale_design

HERE = Path(__file__).parent
CROSS = (
    "math ~ catholic + mean_ses + ses_within + catholic:ses_within + mean_ses:ses_within"
    " + (1 + ses_within | school)"
)
SLOPES = "score16 ~ score11 + girl + (1 + score11 | school)"
MODELS = {
    "hsb_1": ("math ~ catholic + (1 | school)", "~ catholic + (1 | school)"),
    "hsb_2": (CROSS, "~ catholic + (1 | school)"),
    "hsb_3": (CROSS, "~ catholic + mean_ses + sd_ses + (1 | school)"),
    "hsb_4": (CROSS, "~ catholic * ses_within + (1 + ses_within | school)"),
    "london_2": ("score16 ~ 1 + (1 | school)", "~ 1 + (1 | school)"),
    "london_3": ("score16 ~ score11 + girl + (1 | school)", "~ 1 + (1 | school)"),
    "london_4": (SLOPES, "~ 1 + (1 | school)"),
    "london_5": (SLOPES, "~ score11 + girl + (1 | school)"),
}
#: The paper on High School and Beyond states its prior. The talk on inner London does not: a flat
#: one meets what it prints, and the paper's does not.
PRIOR = {"hsb": "inverse-wishart", "london": "flat"}
#: Guesses of the slope variances (of ses_within in the mean, in the log variance) raised from .23
#: to .40 and from .0115 to .020 meet all that is published; London's prior does not.
OTHER = {
    "hsb_2_stated": InverseWishart(3.0 * np.diag([2.42, 0.40, 0.0205])),
    "hsb_3_stated": InverseWishart(3.0 * np.diag([2.42, 0.40, 0.0205])),
    "hsb_4_stated": InverseWishart(4.0 * np.diag([2.42, 0.40, 0.0205, 0.020])),
    "hsb_2_flat": "flat",
}
NAMES = {
    "intercept": "Intercept",
    "sector": "catholic",
    "ses_deviation": "ses_within",
    "sector_x_ses_deviation": "catholic:ses_within",
    "mean_ses_x_ses_deviation": "mean_ses:ses_within",
}


def tables():
    """Both data sets with the columns of the models."""
    hsb = mt.center(mt.load("hsb"), ["ses"], cluster="school")
    schools = hsb.groupby("school").ses
    hsb = hsb.assign(mean_ses=schools.transform("mean"), sd_ses=schools.transform("std"))
    # The publication centres the standard deviation; its intercept is that of an average school.
    return {"hsb": hsb.assign(sd_ses=hsb.sd_ses - hsb.sd_ses.mean()), "london": mt.load("london")}


def draws_of(post, part, parameter, slope):
    """Draws of one published parameter."""
    if part == "cross":
        _, location, scale = parameter.split("_")
        of = {"intercept": "Intercept", "slope": slope}
        return correlation(post, of[location], "scale:" + of[scale])
    prefix = "scale:" if part == "log_variance" else ""
    if parameter.endswith("_variance"):
        name = prefix + ("Intercept" if parameter.startswith("intercept") else slope)
        return post["Omega"].sel(effect=name, effect_2=name)
    if parameter == "intercept_slope_correlation":
        return correlation(post, prefix + "Intercept", prefix + slope)
    name = NAMES.get(parameter, parameter)
    if part == "mean":
        return post["beta"].sel(coefficient=name)
    return post["alpha"].sel(variance_coefficient=name)


def correlation(post, one, other):
    pairs = set(post["pair"].to_numpy())
    return post["correlations"].sel(pair=next(iter({f"{one}, {other}", f"{other}, {one}"} & pairs)))


def summary(model, d, prior):
    """Mean, SD and Monte Carlo error of each published parameter, and the DIC."""
    idata = sample(d, prior=prior, seed=1, progress=False)
    data, number = model.split("_")
    with (HERE / f"published_{data}_location_scale.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == number]
    slope, out = {"hsb": "ses_within", "london": "score11"}[data], {}
    for row in rows:
        part, parameter = row["part"], row["parameter"]
        if part == "fit":
            out[f"{part}/{parameter}"] = [dic(idata, d).dic]
            continue
        x = draws_of(idata.posterior, part, parameter, slope)
        error = float(az.mcse(x.to_dataset(name="x"))["x"])
        out[f"{part}/{parameter}"] = [float(x.mean()), float(x.std()), error]
    return out


def main() -> None:
    data, found = tables(), {}
    priors = {model: PRIOR[model.split("_")[0]] for model in MODELS} | OTHER
    for name, prior in priors.items():
        model = "_".join(name.split("_")[:2])
        d = location_scale_design(*MODELS[model], data[model.split("_")[0]])
        found[name] = summary(model, d, prior)
        print(name, found[name], flush=True)
    versions = {name: metadata.version(name) for name in ("pymc", "nutpie", "numpy")}
    out = {"versions": versions, "models": found}
    (HERE / "posterior.json").write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)
    sys.exit(main())
