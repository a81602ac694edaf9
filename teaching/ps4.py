# %% [markdown]
# # Problem set 4: clusters that differ in spread
#
# Fifty schools of inner London, drawn for you. Are results as spread out in one school as in another, and who spreads more?
#
# Write your name in the course where the first cell has three dots. Put each answer in place of `...`, and keep four digits: answers may be off by 0.3%. The mean function is always `score16 ~ score11 + (1 | school)`; unless a task says otherwise, the log variance is `~ score11 + (1 | school)`. 20 points.

# %% [given]
import numpy as np
import pandas as pd
from draw import given, student_data, student_numbers

import mlteach as mt

NAME = ...
data = student_data("ps4", NAME)
mine = student_numbers("ps4", NAME)
mean = "score16 ~ score11 + (1 | school)"
mine

# %% [markdown]
# ## 1 Strong beginners (3 points)
#
# By which *factor* does the variance of students of one school change, for one standard deviation more at 11?

# %% [task] times 3
model = mt.fit_location_scale(mean, "~ score11 + (1 | school)", data)
times = np.exp(model.log_variance.loc["score11", "estimate"])

# %% [markdown]
# ## 2 The average school (3 points)
#
# What is the variance within schools among students with `score11` = 0, *averaged* over the population of schools?

# %% [task] average 3
zero = pd.DataFrame({"score11": [0.0]})
average = model.predicted_variance(zero, average=True).iloc[0]

# %% [markdown]
# ## 3 All schools (2 points)
#
# Between which two variances (at `score11` = 0) do 95% of the schools lie? Give a pair.

# %% [task] schools 2
alpha = model.log_variance.loc["Intercept", "estimate"]
sd = model.random.loc["scale:Intercept", "scale:Intercept"] ** 0.5
schools = tuple(np.exp(alpha + np.array([-1.96, 1.96]) * sd))

# %% [markdown]
# ## 4 Is it needed? (3 points)
#
# Give the likelihood-ratio statistic that compares this model with the same one without a random effect in the log variance.

# %% [task] needed 3
fixed = mt.fit_location_scale(mean, "~ score11", data)
needed = model.lr_test(fixed).statistic

# %% [markdown]
# ## 5 A property of the school (2 points)
#
# Now let the log variance depend on `mean_score11` in place of `score11`. How many times as large is the standard error of its coefficient with a random effect of schools in the log variance as without?

# %% [task] wider 2
two = [
    mt.fit_location_scale(mean, f"~ mean_score11{more}", data) for more in ("", " + (1 | school)")
]
wider = (
    two[1].log_variance.loc["mean_score11", "se"] / two[0].log_variance.loc["mean_score11", "se"]
)

# %% [markdown]
# ## 6 What is left of a z (3 points)
#
# Pencil and paper, with `mine`. A report has schools of `students` students each, and a variance function without random effects. For a property of the school it prints `z`. Suppose schools differ in log variance by `sigma2_v` beyond that. How many times too small is the standard error, and which $z$ is left? Give a pair, `(factor, z)`.

# %% [task] left 3
v = 3 * np.exp(mine["sigma2_v"]) - 1
rho = (np.exp(mine["sigma2_v"]) - 1) / v
too_small = np.sqrt(v / 2) * mt.moulton_factor(mine["students"], 1, rho)
left = (too_small, mine["z"] / too_small)

# %% [markdown]
# ## 7 In words (4 points)
#
# A minister reads task 1 and task 3 and says: "So the good beginners are where inequality is smallest, and some schools are models of equality. Let us copy these schools." Answer in at most six sentences, with your numbers.

# %% [written] words 4
# **A model answer** (with the numbers of one student). "Among students of one school the variance is 0.90 times as large for each standard deviation more at 11, so results of strong beginners are a little easier to predict. Schools differ in this variance: 95% of them lie between 0.36 and 0.81. But a small variance is no value in itself: ask whether it is the weak who have come up, or the strong who have not. It may come from the intake, from a test on which the best cannot show more, or from something that the model of the mean has missed. These schools chose their students and were chosen; the data do not say that copying them would do anything. And for a single school the variance is known less well than the mean: give its interval before you visit it."
#
# **Rubric.** 1 point: numbers read as factors and as a range of schools. 1 point: narrow is not the same as fair; which tail? 1 point: two rival explanations (intake, ceiling, mean function). 1 point: no cause, and the uncertainty of a single school.
