#!/bin/sh
# Rebuild every reference value. Needs R with lme4, lmerTest, pbkrtest, numDeriv, minqa, nloptr,
# jsonlite, digest, nlme, clubSandwich, performance, brms, lavaan, mice and pan, and the project's Python
# environment.
# Usage: make_all.sh [python]. Takes about half an hour.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=${1:-python}
"$python" "$here/make_simulated.py"
Rscript "$here/make_classic.R" "$here"
Rscript "$here/make_lme4.R" "$here"
"$python" "$here/make_profile.py"
Rscript "$here/make_profile_lme4.R" "$here"
Rscript "$here/make_extras.R" "$here"
Rscript "$here/make_tests.R" "$here"
Rscript "$here/make_rank.R" "$here"
Rscript "$here/make_bootstrap.R" "$here"
Rscript "$here/make_lavaan.R" "$here"
"$python" "$here/make_lavaan_syntax.py" | Rscript "$here/make_lavaan_syntax.R" "$here"
"$python" "$here/make_chapter_14.py" | Rscript "$here/make_chapter_14.R" "$here"
Rscript "$here/make_multigroup.R" "$here"
Rscript "$here/make_multigroup_robust.R" "$here"
Rscript "$here/make_crosswalk.R" "$here"
"$python" "$here/make_mpmath.py"
Rscript "$here/make_slopes.R" "$here"
Rscript "$here/make_prediction.R" "$here"
Rscript "$here/make_nlme_variance.R" "$here"
Rscript "$here/make_imputation.R" "$here"
Rscript "$here/make_brms.R" "$here"
"$python" "$here/make_posterior.py"
"$python" "$here/make_calibration.py"
