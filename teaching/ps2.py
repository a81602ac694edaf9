# %% [markdown]
# # Problem set 2: predictors at two levels
#
# Forty public and forty Catholic high schools, drawn for you from `hsb`. Do Catholic schools have higher means? And what is "the effect of SES"?
#
# Write your name in the course where the first cell has three dots. Put each answer in place of `...`, and keep four digits: answers may be off by 0.3%. All models have random intercepts of schools and are fitted by REML. 20 points.

# %% [given]
import numpy as np
import pandas as pd
from draw import given, student_data, student_numbers

import mlteach as mt

NAME = ...
data = student_data("ps2", NAME)
mine = student_numbers("ps2", NAME)
for formula, column in mine["coefficients"]:
    print(f"the coefficient of {column} in {formula}")

# %% [markdown]
# ## 1 Two sectors (3 points)
#
# Regress `math` on `catholic`. Give the 95% interval of the difference, Catholic minus public, with the degrees of freedom that count schools (*between-within*), as a pair `(lower, upper)`.

# %% [task] sector 3
by_sector = mt.fit_random_intercept("math ~ catholic", data, cluster="school")
row = by_sector.tests(ddf="between-within").loc["catholic"]
sector = (row["lower"], row["upper"])

# %% [markdown]
# ## 2 What does the intake explain? (3 points)
#
# Which proportion of the variance *between schools* does `mean_ses` explain?

# %% [task] explained 3
empty = mt.fit_empty("math", data, cluster="school")
by_intake = mt.fit_random_intercept("math ~ mean_ses", data, cluster="school")
explained = mt.r_squared(by_intake, empty).pseudo.loc["Intercept", "r2"]

# %% [markdown]
# ## 3 Two slopes (3 points)
#
# By how many points do two students of the *same* school differ who are one unit of `ses` apart? And the means of two schools whose mean SES is one unit apart? Give a pair, `(within, between)`, from the observed means of your data.

# %% [task] slopes 3
split = mt.center(data, ["ses"], cluster="school")
both = mt.fit_random_intercept("math ~ ses_within + ses_between", split, cluster="school")
slopes = (both.params["ses_within"], both.params["ses_between"])

# %% [markdown]
# ## 4 The same student in another school (3 points)
#
# Two students have the same SES. The school of one has a mean SES that is one unit higher. What difference in mathematics does the model expect?

# %% [task] company 3
contextual = mt.fit_random_intercept("math ~ ses + ses_between", split, cluster="school")
company = contextual.params["ses_between"]

# %% [markdown]
# ## 5 A slope without a question (2 points)
#
# Somebody leaves the school's mean out. With which weight does the within effect enter the one slope that is left?

# %% [task] weight 2
smushed = mt.fit_random_intercept("math ~ ses", data, cluster="school").params["ses"]
weight = (slopes[1] - smushed) / (slopes[1] - slopes[0])

# %% [markdown]
# ## 6 Which effect is it? (2 points)
#
# The first cell prints four coefficients, in an order of your own. `ses_c` is SES minus the mean of all students, `ses_within` SES minus the school's mean, `ses_mean` the school's mean. Which effect is each? Give four words in the order of the list, of *within*, *between*, *contextual*, *smushed*.

# %% [task] which 2
meaning = {
    "math ~ ses_c": {"ses_c": "smushed"},
    "math ~ ses_within + ses_mean": {"ses_mean": "between"},
    "math ~ ses_c + ses_mean": {"ses_c": "within", "ses_mean": "contextual"},
}
which = tuple(meaning[f][c] for f, c in mine["coefficients"])

# %% [markdown]
# ## 7 In words (4 points)
#
# A newspaper read your analysis and prints: "Rich schools make good students: one step in a school's SES is worth more than one step in the family's." Write a letter to the editor, of five sentences at most, with your numbers.

# %% [written] words 4
# **A model answer** (with the numbers of one student). "The numbers compare students, they do not show what makes them. In one school, students one unit of SES apart differ by 1.8 points. Schools whose means are one unit apart differ by 5.2 points, but that contains what the families bring along: for a student of given SES the school with the higher mean goes with 3.4 points more. A unit is not the same step in both, since students of one school differ in SES more than schools do. And families choose schools, so the 3.4 points may belong to what else such schools and families have."
#
# **Rubric.** 1 point: between is not set against within; the contextual effect is the one to compare. 1 point: the contextual effect explained by two students with the same SES. 1 point: no causal claim, with a reason (selection, error in SES, other properties of schools). 1 point: units, or the spread of both parts, and the student's own numbers.
