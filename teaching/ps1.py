# %% [markdown]
# # Problem set 1: clusters
#
# You are asked to describe how schools differ, before anybody asks why. You have mathematics scores of students in 60 US high schools, 30 public and 30 Catholic: schools of your own, drawn for you from `hsb` (`mt.codebook("hsb")` explains the columns). Others have other schools.
#
# Write your name in the course where the first cell has three dots; it must be the name under which you hand in. Put each answer in place of `...`, and keep four digits: answers may be off by 0.3%. All models are fitted by REML. The checks that you see only ask whether there is an answer. 20 points.

# %% [given]
import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from draw import given, student_data, student_numbers

import mlteach as mt

NAME = ...
data = student_data("ps1", NAME)
mine = student_numbers("ps1", NAME)
mine

# %% [markdown]
# ## 1 How many observations? (2 points)
#
# How many clusters are there, how many rows, and how many members has the largest cluster? Give three whole numbers, `(clusters, rows, largest)`.

# %% [task] count 2
sizes = data.groupby("school").size()
count = (len(sizes), len(data), sizes.max())

# %% [markdown]
# ## 2 Two standard errors (2 points)
#
# Regress `math` on `catholic`, once by OLS on students, once with random intercepts of schools. How many times as large is the standard error of `catholic` in the second model?

# %% [task] factor 2
model = mt.fit_random_intercept("math ~ catholic", data, cluster="school")
factor = model.bse["catholic"] / smf.ols("math ~ catholic", data).fit().bse["catholic"]

# %% [markdown]
# ## 3 What share lies between schools? (3 points)
#
# Give the intraclass correlation of `math`, from the empty model.

# %% [task] share 3
empty = mt.fit_empty("math", data, cluster="school")
share = mt.icc(empty)

# %% [markdown]
# ## 4 Where are the schools? (2 points)
#
# Between which two values do 95% of the *true school means* plausibly lie? Give a pair, `(lower, upper)`.

# %% [task] places 2
tau = empty.variances.loc["Intercept", "sd"]
center = empty.params["Intercept"]
places = (center - 1.96 * tau, center + 1.96 * tau)

# %% [markdown]
# ## 5 What are your students worth? (3 points)
#
# How many independent students would give the plain mean of all your students the same precision? Mind that schools differ in size.

# %% [task] worth 3
typical = (sizes**2).sum() / sizes.sum()
worth = mt.effective_n(len(data), typical, mt.icc(empty))

# %% [markdown]
# ## 6 Books for half of a class (2 points)
#
# Pencil and paper, with the numbers in `mine`. In each of forty schools, half of the `students` tested get a new book, and those with it are compared with those without it, over all schools. The outcome has an intraclass correlation of `icc`. What is the design effect of the difference?

# %% [task] books 2
books = 1 - mine["icc"]

# %% [markdown]
# ## 7 The best plan (2 points)
#
# Again with `mine`: to enter a school costs `school_costs`, to test a student `student_costs`, and the intraclass correlation of the outcome is `icc`. How many students per school give a mean the best precision for the money? Do not round.

# %% [task] best 2
price = mine["school_costs"] / mine["student_costs"]
best = (price * (1 - mine["icc"]) / mine["icc"]) ** 0.5

# %% [markdown]
# ## 8 In words (4 points)
#
# A member of the school board reads your answer to task 3 and says: "So that part of achievement is due to the schools. And with that many students we know each school's level very well." Answer in four or five sentences that a member of a school board understands. Use numbers of yours.

# %% [written] words 4
# **A model answer** (with the numbers of one student). "Fifteen percent is the share of the *differences* between students that lies between schools; the other 85% are differences between students of one school. It does not say that schools cause them: other families choose other schools. Plausibly, 95% of schools have true means between 7.5 and 18.0 points, so schools are far from equal. How well we know a single school depends on how many of its students were tested; with 46 of them its mean has a standard error of about one point. And all 2,782 students together tell us as much about the general mean as 329 independent ones."
#
# **Rubric.** 1 point: a share of differences, not of achievement. 1 point: no cause, with a rival explanation (intake, choice). 1 point: knowledge of a school rests on its own students, $\sigma^2/n_j$; the many students of other schools do not help (but for shrinkage). 1 point: at least two numbers of the student's own, used rightly, in words for lay readers.
