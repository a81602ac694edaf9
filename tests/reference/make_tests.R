# Tests of several coefficients at once -> tests.json: F by Satterthwaite's method (lmerTest's
# contestMD), by Kenward and Roger's (pbkrtest's KRmodcomp), and from cluster-robust standard errors
# (clubSandwich's Wald_test, HTZ). Contrasts are on the coefficients in R's order; their names are
# written beside them. Run: Rscript make_tests.R [folder of this script]
suppressPackageStartupMessages({library(lme4); library(lmerTest); library(pbkrtest); library(clubSandwich)})
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))

# One row per combination, by the names of the coefficients in R; rhs is the null value.
wanted <- list(
  hsb_level2 = list(
    both = list(L = list(c(sectorPublic = 1), c(mean_ses = 1)), rhs = c(0, 0)),
    shifted = list(L = list(c(sectorPublic = 1), c(mean_ses = 1)), rhs = c(-1, 5))),
  hsb_slope = list(
    both = list(L = list(c("(Intercept)" = 1), c(ses_within = 1)), rhs = c(12, 2))),
  hsb_cross_level = list(
    cross = list(L = list(c("mean_ses:ses_within" = 1), c("ses_within:catholic" = 1)), rhs = c(0, 0)),
    contextual = list(L = list(c(mean_ses = 1, ses_within = -1)), rhs = 0),
    four = list(L = list(c(mean_ses = 1), c(catholic = 1), c("mean_ses:ses_within" = 1),
                         c("ses_within:catholic" = 1)), rhs = rep(0, 4))),
  hsb_uncorrelated = list(
    sector = list(L = list(c(sectorPublic = 1), c("ses_within:sectorPublic" = 1)), rhs = c(0, 0))),
  hsb_three_effects = list(
    all = list(L = list(c(ses_within = 1), c(minority = 1), c(sectorPublic = 1)), rhs = rep(0, 3))),
  london_slope = list(
    both = list(L = list(c("(Intercept)" = 1), c(score11 = 1)), rhs = c(0, 0.5))),
  language_intercept = list(
    both = list(L = list(c(ses_z = 1), c(clubs = 1)), rhs = c(0, 0)),
    difference = list(L = list(c(ses_z = 1, clubs = -1)), rhs = 0)),
  language_cross_level = list(
    clubs = list(L = list(c(clubs = 1), c("ses_z:clubs" = 1)), rhs = c(0, 0))),
  sleepstudy = list(
    both = list(L = list(c("(Intercept)" = 1), c(Days = 1)), rhs = c(250, 10)),
    at_nine = list(L = list(c("(Intercept)" = 1, Days = 9)), rhs = 300)),
  orthodont = list(
    sex = list(L = list(c(SexMale = 1), c("age:SexMale" = 1)), rhs = c(0, 0)),
    three = list(L = list(c(age = 1), c(SexMale = 1), c("age:SexMale" = 1)), rhs = rep(0, 3))),
  five_clusters = list(
    both = list(L = list(c(x = 1), c(w = 1)), rhs = c(0, 0)))
)

contrast_matrix <- function(rows, names) {
  L <- matrix(0, length(rows), length(names), dimnames = list(NULL, names))
  for (k in seq_along(rows)) {
    stopifnot(names(rows[[k]]) %in% names)
    L[k, names(rows[[k]])] <- rows[[k]]
  }
  L
}

satterthwaite <- function(fit, L, rhs) {
  test <- lmerTest::contestMD(fit, L, rhs = rhs)
  list(f = test[["F value"]], df_num = test$NumDF, df_den = test$DenDF, p = test[["Pr(>F)"]])
}

kenward_roger <- function(fit, L, rhs) {
  test <- pbkrtest::KRmodcomp(fit, L, betaH = drop(MASS::ginv(L) %*% rhs))$test["Ftest", ]
  list(f = test$stat, df_num = test$ndf, df_den = test$ddf, scale = test$F.scaling, p = test$p.value)
}

# Wald_test has no null value: the coefficients are shifted so that the null is zero.
robust <- function(type, fit, cluster, L, rhs) {
  V <- vcovCR(fit, cluster = cluster, type = type)
  GH <- clubSandwich:::get_GH(fit, V)
  beta <- fixef(fit) - drop(MASS::ginv(L) %*% rhs)
  test <- clubSandwich:::Wald_testing(L, beta, V, c("chi-sq", "HTZ"), length(beta), GH)
  z <- test[test$test == "HTZ", ]
  list(f = z$Fstat, df_num = z$df_num, df_den = z$df_denom, scale = z$delta, p = z$p_val,
       chi2 = test$Fstat[test$test == "chi-sq"] * nrow(L))
}

tests_of <- function(fit, cluster, data, contrast) {
  L <- contrast_matrix(contrast$L, names(fixef(fit)))
  rows <- lapply(contrast$L, function(r) setNames(as.list(r), python_names(names(r), data)))
  list(rows = unname(rows), null = I(contrast$rhs),
       satterthwaite = satterthwaite(fit, L, contrast$rhs),
       kenward_roger = kenward_roger(fit, L, contrast$rhs),
       CR0 = robust("CR0", fit, cluster, L, contrast$rhs),
       CR2 = robust("CR2", fit, cluster, L, contrast$rhs))
}

test_case <- function(case) {
  message(case$id)
  read <- read_data(here, case)
  data <- read$frame
  tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  fit <- lmerTest::lmer(as.formula(case$formula), data, REML = TRUE, control = tight)
  list(id = case$id, data = case$data, sha256 = read$sha256, derive = case$derive,
       formula = case$formula, cluster = case$cluster, reml = TRUE,
       tests = lapply(wanted[[case$id]], function(x) tests_of(fit, data[[case$cluster]], data, x)))
}

cases <- Filter(function(case) case$id %in% names(wanted), read_cases(here))
packages <- c("lme4", "lmerTest", "pbkrtest", "clubSandwich")
write_reference(file.path(here, "tests.json"), "make_tests.R", packages, lapply(cases, test_case))
