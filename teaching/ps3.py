# %% [markdown]
# # Problem set 3: slopes, shrinkage, tests
#
# Fifty schools of inner London, drawn for you from `london`: scores at 16 (`score16`) and at 11 (`score11`), both in standard deviations. Does it matter to whom which school one goes to?
#
# Write your name in the course where the first cell has three dots. Put each answer in place of `...`, and keep four digits: answers may be off by 0.3%. Fit by REML. Unless a task says otherwise the model is `score16 ~ score11` with a random intercept and a random slope that may covary; `score11` stays unsplit, as in the classical analysis. 20 points.

# %% [given]
import numpy as np
import pandas as pd
from draw import given, student_data, student_numbers

import mlteach as mt

NAME = ...
data = student_data("ps3", NAME)
mine = student_numbers("ps3", NAME)
mine

# %% [markdown]
# ## 1 How much do slopes differ? (3 points)
#
# Between which two slopes do 95% of the schools lie, if slopes are normal? Give a pair, `(lower, upper)`.

# %% [task] slopes 3
lines = mt.fit_mixed("score16 ~ score11 + (1 + score11 | school)", data, smushed_note=False)
average, sd = lines.params["score11"], lines.variances.loc["score11", "sd"]
slopes = (average - 1.96 * sd, average + 1.96 * sd)

# %% [markdown]
# ## 2 An address for the variance (3 points)
#
# What is the variance *between schools* (of their lines) among students whose score at 11 is `mine["score11"]`?

# %% [task] there 3
there = lines.variance_function("score11", at=[mine["score11"]])["between"].iloc[0]

# %% [markdown]
# ## 3 The school on top (3 points)
#
# Which of your schools has the highest mean of `score16`? Give its *partial-pooling* mean, from the empty model of `score16`.

# %% [task] pooled 3
table = mt.shrinkage(mt.fit_empty("score16", data, cluster="school"))
pooled = table.loc[table["none"].idxmax(), "partial"]

# %% [markdown]
# ## 4 A new school (2 points)
#
# A student with `mine["score11"]` goes to a London school that is not in your data. Between which two values does the score at 16 of *this student* lie with 95% probability? Give a pair.

# %% [task] new 2
asked = pd.DataFrame({"school": [-1], "score11": [mine["score11"]]})
row = lines.prediction_interval(asked).iloc[0]
new = (row["lower"], row["upper"])

# %% [markdown]
# ## 5 Do slopes differ? (3 points)
#
# Give the likelihood-ratio statistic that tests whether slopes differ between schools.

# %% [task] drop 3
level = mt.fit_mixed("score16 ~ score11 + (1 | school)", data, smushed_note=False)
drop = level.deviance - lines.deviance

# %% [markdown]
# ## 6 What ML loses (2 points)
#
# Pencil and paper, with `mine`. In a study of `clinics` clinics with `patients` patients each the true variances are `tau2` between clinics and `sigma2` within them. The model has an intercept and `coefficients` predictors that describe clinics. Which ML estimate of the variance between clinics do you expect?

# %% [task] bias 2
p, J = 1 + mine["coefficients"], mine["clinics"]
bias = mine["tau2"] - p / J * (mine["tau2"] + mine["sigma2"] / mine["patients"])

# %% [markdown]
# ## 7 In words (4 points)
#
# The head of the school in task 3 writes: "We are first. The difference between our own mean and what you print is an injustice to us. And you tested slopes by REML and compared with $\chi^2_2$: a statistician told me that this is wrong." Answer all three points in at most six sentences.

# %% [written] words 4
# **A model answer** (with the numbers of one student). "Your school has the highest mean of the fifty, 1.00; whether it is the best is less sure, since a highest mean is partly luck. The best guess of what other students of yours would score is 0.94, a mean of your students and of all schools in which yours count by how many they are. That is closer on average; a school that really is extreme is drawn in too far, and yours may be one. Your statistician is half right: REML is fit for this test, as both models have the same coefficients. But a variance cannot be negative, so the reference is half $\chi^2_1$ and half $\chi^2_2$. With a statistic of 35 it makes no difference."
#
# **Rubric.** 1 point: extremes of a list contain luck; rank needs an interval. 1 point: why shrinkage, and for whom it is worse. 1 point: REML is right here, and why. 1 point: the mixture, and that nothing depends on it here.
