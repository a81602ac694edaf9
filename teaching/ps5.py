# %% [markdown]
# # Problem set 5: structures
#
# Forty public and forty Catholic high schools, drawn for you from `hsb`. Do the sectors differ in more than their means?
#
# Write your name in the course where the first cell has three dots. Put each answer in place of `...`, and keep four digits: answers may be off by 0.3%. 20 points.

# %% [given]
import numpy as np
import pandas as pd
from draw import given, student_data, student_numbers

import mlteach as mt

NAME = ...
data = student_data("ps5", NAME)
mine = student_numbers("ps5", NAME)
mine

# %% [markdown]
# ## 1 Two averages (3 points)
#
# Take the *first four* students of each school, in the order of the table, and put their mathematics scores side by side. Read the ML estimates of $\tau^2$ and of the ICC off the covariance matrix of the four columns (one common mean, divided by the number of schools). Give a pair.

# %% [task] averages 3
four = data.groupby("school").head(4)
y = mt.to_wide(four, "math", cluster="school").to_numpy()
S = (y - y.mean()).T @ (y - y.mean()) / len(y)
tau2 = (S.sum() - np.trace(S)) / 12
averages = (tau2, tau2 / (np.trace(S) / 4))

# %% [markdown]
# ## 2 Enough rows (2 points)
#
# Pencil and paper, with `mine`. A study has `variables` variables and clusters of `members` members. What is the smallest number of clusters for which the wide format has a $\chi^2$ against the saturated model?

# %% [task] columns 2
columns = mine["variables"] * mine["members"] + 1

# %% [markdown]
# ## 3 A ratio (3 points)
#
# Fit `math` and `ses` of all your students with both covariance matrices free in the two sectors. What is the ratio of the variances of mathematics *within* schools, Catholic to public?


# %% [task] ratio 3
def model(within, between):
    return mt.fit_multigroup(
        ["math", "ses"], data, cluster="school", group="sector", within=within, between=between
    )


both = model("free", "free")
ratio = both.variance_ratios.loc[("within", "math")]["estimate"].iloc[0]

# %% [markdown]
# ## 4 Are schools alike? (2 points)
#
# With $\boldsymbol\Sigma_W$ free, may the sectors share $\boldsymbol\Sigma_B$? Give the likelihood-ratio statistic and its degrees of freedom, as a pair.

# %% [task] freed 2
table = mt.compare(model("free", "equal"), both)
freed = (table["lr"].iloc[1], table["df"].iloc[1])

# %% [markdown]
# ## 5 What an ICC hides (2 points)
#
# With `mine`: two groups share the variance between clusters, `tau2`. Their ICCs are `icc_1` and `icc_2`. What is the ratio of their variances within clusters, first to second?

# %% [task] quotient 2
within = [mine["tau2"] / rho - mine["tau2"] for rho in (mine["icc_1"], mine["icc_2"])]
quotient = within[0] / within[1]

# %% [markdown]
# ## 6 Five completed files (2 points)
#
# With `mine`: five completed files gave `estimates`, with standard errors `errors`. What is the pooled standard error?

# %% [task] pooled 2
U, B = np.mean(np.square(mine["errors"])), np.var(mine["estimates"], ddof=1)
pooled = np.sqrt(U + (1 + 1 / 5) * B)

# %% [markdown]
# ## 7 How many clusters? (2 points)
#
# With `mine`: one group, an ICC of `icc`, clusters of `members` members. How many clusters bring the relative error of the variance between clusters down to `error` (0.20 is 20%)? Do not round.

# %% [task] enough 2
n, r = mine["members"], (1 - mine["icc"]) / mine["icc"]
enough = 2 / mine["error"] ** 2 * (1 + 2 * r / n + r**2 / (n * (n - 1)))

# %% [markdown]
# ## 8 In words (4 points)
#
# A colleague looks at your tasks 3 and 4 and says: "Catholic schools have the larger ICC, so schools matter more there, and since your test is not significant, schools differ equally in both sectors." (If your test is significant, take the colleague to say that schools differ more in one of them.) What of this holds? Six sentences at most.

# %% [written] words 4
# **A model answer** (with the numbers of one student). "An ICC is a quotient, and it can be larger because its denominator is smaller. Within schools the variance of mathematics in the Catholic sector is 0.74 times that in the public one: students of one Catholic school are more alike. That alone makes the ICC larger, without any difference between schools. The test of equal matrices between schools ($LR = 4.5$, 3 df) does not show that they are equal; with forty schools in each sector ratios of a half and of two are hard to exclude. I would report both variances with intervals, and robust standard errors, because schools of one sector differ in spread. Nor do these numbers say why students of one sector are more alike."
#
# **Rubric.** 1 point: an ICC is a quotient; which part differs. 1 point: not significant is not equal, and the number of schools decides. 1 point: what to report instead (ratios with intervals; robust). 1 point: the student's own numbers, and no cause.
