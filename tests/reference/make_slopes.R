# Simple slopes, Johnson-Neyman bounds and variance functions by R -> slopes.json. The contrast is a
# difference of two rows of R's own model matrix, tested by lmerTest::contest1D (Satterthwaite and,
# by pbkrtest, Kenward-Roger); the bounds are roots found by uniroot(). Variances along a predictor
# and their SE come from nlme: getVarCov(type = "marginal") and the delta method on its apVar.
# Run: Rscript make_slopes.R [folder of this script]
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(nlme)})
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
hsb <- list(data = "../../data/hsb.csv", cluster = "school",
            derive = list(ses_within = "ses - mean_ses"))
language <- list(data = "../../data/language.csv", cluster = "school", derive = list())
london <- list(data = "../../data/london.csv", cluster = "school", derive = list())
orthodont <- list(data = "data/orthodont.csv", cluster = "Subject", derive = list())
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10))

# ---------------------------------------------------------------------------------- simple slopes

# Slope of x where the moderator has a value: model matrix one unit of x apart.
contrast <- function(fit, frame, x, by, value, hold) {
  row <- frame[rep(1, 2), ]
  for (name in names(hold)) row[[name]] <- set_value(frame[[name]], hold[[name]])
  row[[by]] <- set_value(frame[[by]], value)
  row[[x]] <- c(0, 1)
  fixed <- delete.response(terms(lme4::nobars(formula(fit))))
  X <- model.matrix(fixed, row, xlev = lapply(Filter(is.factor, frame[all.vars(fixed)]), levels))
  X[2, ] - X[1, ]
}

set_value <- function(column, value) if (is.factor(column)) factor(value, levels(column)) else value

one_test <- function(fit, L, ddf) {
  test <- contest1D(fit, L, ddf = ddf, confint = TRUE, level = 0.95)
  list(estimate = test$Estimate, se = test[["Std. Error"]], df = test$df, t = test[["t value"]],
       p = test[["Pr(>|t|)"]], lower = test$lower, upper = test$upper)
}

# Roots of estimate^2 - t^2 var: sign changes on a wide grid, then uniroot.
bounds <- function(fit, frame, x, by, hold, ddf) {
  excess <- function(m) {
    test <- one_test(fit, contrast(fit, frame, x, by, m, hold), ddf)
    test$estimate^2 - (qt(0.975, test$df) * test$se)^2
  }
  seen <- frame[[by]]
  grid <- mean(seen) + sd(seen) * sinh(seq(-5, 5, length.out = 161))
  value <- vapply(grid, excess, 0)
  at <- which(diff(sign(value)) != 0)
  vapply(at, function(k) uniroot(excess, grid[k + 0:1], tol = 1e-11)$root, 0)
}

slopes <- function(id, source, formula, x, by, values, hold, reml = TRUE, jn = TRUE,
                   kr = FALSE) {
  message(id)
  read <- read_data(here, source)
  fit <- lmerTest::lmer(as.formula(formula), read$frame, REML = reml, control = tight)
  methods <- c("Satterthwaite", if (kr) "Kenward-Roger")  # KR takes minutes on thousands of rows
  tests <- lapply(setNames(methods, tolower(methods)), function(ddf) {
    lapply(values, function(v) one_test(fit, contrast(fit, read$frame, x, by, v, hold), ddf))
  })
  roots <- if (jn) I(bounds(fit, read$frame, x, by, hold, "Satterthwaite"))
  list(id = id, data = source$data, sha256 = read$sha256, derive = source$derive, formula = formula,
       cluster = source$cluster, reml = reml, x = x, by = by, at = values, hold = hold,
       tests = tests, bounds = roots)
}

# ------------------------------------------------------------------------------- variance functions

# Variance along x with its SE, and the covariance matrix of the first rows of one cluster.
spread <- function(id, source, fixed, random, x, at, method) {
  message(id, " ", method)
  read <- read_data(here, source)
  control <- lmeControl(tolerance = 1e-10, msTol = 1e-12, msMaxIter = 500, maxIter = 500,
                        .relStep = 1e-4, minAbsParApVar = 0.01)
  fit <- eval(bquote(nlme::lme(.(as.formula(fixed)), read$frame, .(as.formula(random)),
                               method = .(method), control = control)))
  # apVar is for log SDs, the generalised logit of the correlation, and log sigma
  par <- attr(fit$apVar, "Pars")
  variance <- function(p, v) {
    sd <- exp(p[1:2]); rho <- (exp(p[3]) - 1) / (exp(p[3]) + 1)
    sd[1]^2 + 2 * v * rho * sd[1] * sd[2] + v^2 * sd[2]^2 + exp(p[4])^2
  }
  se <- vapply(at, function(v) {
    g <- numDeriv::grad(variance, par, v = v)
    sqrt(drop(g %*% unclass(fit$apVar) %*% g))
  }, 0)
  cluster <- levels(read$frame[[source$cluster]])[1]
  rows <- which(read$frame[[source$cluster]] == cluster)[1:4]
  V <- getVarCov(fit, individuals = cluster, type = "marginal")[[1]][1:4, 1:4]
  list(id = id, data = source$data, sha256 = read$sha256, derive = source$derive,
       formula = sprintf("%s + (%s)", fixed, sub("~", "", random)), cluster = source$cluster,
       reml = method == "REML", x = x, at = at, variance = vapply(at, variance, 0, p = par),
       se = se, rows = rows - 1, covariance = unname(as.matrix(V)))
}

cross <- "math ~ mean_ses * ses_within + catholic * ses_within + (1 + ses_within | school)"
simple <- list(
  slopes("hsb_mean_ses", hsb, cross, "ses_within", "mean_ses", c(-0.5, 0, 0.5), list(catholic = 0)),
  slopes("hsb_mean_ses_catholic", hsb, cross, "ses_within", "mean_ses", c(-0.5, 0, 0.5),
         list(catholic = 1)),
  slopes("hsb_sector", hsb, "math ~ (mean_ses + sector) * ses_within + (1 + ses_within | school)",
         "ses_within", "sector", c("Catholic", "Public"), list(mean_ses = 0.1), jn = FALSE),
  slopes("hsb_other_way", hsb, cross, "mean_ses", "ses_within", c(-1, 0, 1), list()),
  slopes("language_clubs", language, "gpa ~ ses_z * clubs + (1 + ses_z | school)", "ses_z", "clubs",
         c(-1, 0, 2), list()),
  slopes("language_clubs_ml", language, "gpa ~ ses_z * clubs + (1 + ses_z | school)", "ses_z",
         "clubs", c(-1, 0, 2), list(), reml = FALSE),
  slopes("london_band", london, "score16 ~ score11 * vr + girl + (1 + score11 | school)", "score11",
         "vr", c("bottom 25%", "mid 50%", "top 25%"), list(), jn = FALSE),
  slopes("london_girl", london, "score16 ~ score11 * girl * mean_score11 + (1 + score11 | school)",
         "girl", "score11", c(-2, 0, 2), list(mean_score11 = -0.5)),
  slopes("orthodont", orthodont, "distance ~ age * Sex + (1 + age | Subject)", "age", "Sex",
         c("Female", "Male"), list(), jn = FALSE, kr = TRUE)
)
variance <- list()
for (method in c("REML", "ML")) {
  variance <- c(variance, list(
    spread("london", london, "score16 ~ score11", "~ 1 + score11 | school", "score11",
           c(-3, -1, 0, 2), method),
    spread("language", language, "gpa ~ ses_z * clubs", "~ 1 + ses_z | school", "ses_z",
           c(-2, 0, 1, 3), method),
    spread("hsb", hsb, "math ~ ses", "~ 1 + ses | school", "ses", c(-2, 0, 1), method)))
}
write_reference(file.path(here, "slopes.json"), "make_slopes.R",
                c("lme4", "lmerTest", "pbkrtest", "nlme", "numDeriv"), list(slopes = simple, variance = variance))
