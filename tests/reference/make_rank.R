# Joint tests of combinations of which some follow from others -> rank.json: lmerTest's contestMD,
# which takes the rank that there is. Run: Rscript make_rank.R [folder of this script]
suppressPackageStartupMessages({library(lme4); library(lmerTest)})
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))

wanted <- list(
  hsb_level2 = list(
    rows = list(c(sectorPublic = 1), c(mean_ses = 1), c(sectorPublic = 1, mean_ses = 2)),
    null = c(-1, 5, 9)),
  language_intercept = list(
    rows = list(c(ses_z = 1), c(clubs = 1), c(ses_z = 1, clubs = -1)), null = c(0, 0, 0)),
  orthodont = list(
    rows = list(c(age = 1), c(SexMale = 1), c(age = 1, SexMale = 1), c(age = 2, SexMale = -1)),
    null = c(0, 0, 0, 0)))

test_case <- function(case) {
  read <- read_data(here, case)
  tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  fit <- lmerTest::lmer(as.formula(case$formula), read$frame, REML = TRUE, control = tight)
  asked <- wanted[[case$id]]
  L <- matrix(0, length(asked$rows), length(fixef(fit)), dimnames = list(NULL, names(fixef(fit))))
  for (k in seq_along(asked$rows)) L[k, names(asked$rows[[k]])] <- asked$rows[[k]]
  test <- lmerTest::contestMD(fit, L, rhs = asked$null)
  rows <- lapply(asked$rows, function(r) setNames(as.list(r), python_names(names(r), read$frame)))
  list(id = case$id, rows = unname(rows), null = I(asked$null), f = test[["F value"]],
       df_num = test$NumDF, df_den = test$DenDF, p = test[["Pr(>F)"]])
}

cases <- Filter(function(case) case$id %in% names(wanted), read_cases(here))
write_reference(file.path(here, "rank.json"), "make_rank.R", c("lme4", "lmerTest"),
                lapply(cases, test_case))
