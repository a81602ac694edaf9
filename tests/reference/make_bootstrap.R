# Parametric bootstraps -> bootstrap.json: p-values of pbkrtest::PBmodcomp and percentile limits of
# lme4::confint(method = "boot"). Both carry the Monte Carlo error of DRAWS data sets. PBmodcomp
# leaves draws out of p whose drop in deviance is not positive; "extreme" of all "draws" reached it.
# Run: Rscript make_bootstrap.R [folder of this script]
suppressPackageStartupMessages({library(lme4); library(pbkrtest)})
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
DRAWS <- 4000

tests <- list(
  list(id = "variance", data = "data/orthodont.csv", cluster = "Subject",
       small = "distance ~ age * Sex + (1 | Subject)",
       big = "distance ~ age * Sex + (1 + age | Subject)"),
  list(id = "coefficient", data = "data/orthodont.csv", cluster = "Subject",
       small = "distance ~ age + (1 + age || Subject)",
       big = "distance ~ age + Sex + (1 + age || Subject)")
)
intervals <- list(
  list(id = "dyestuff", data = "data/dyestuff.csv", cluster = "Batch", reml = TRUE,
       formula = "Yield ~ 1 + (1 | Batch)"),
  list(id = "sleepstudy", data = "data/sleepstudy.csv", cluster = "Subject", reml = FALSE,
       formula = "Reaction ~ Days + (1 + Days | Subject)")
)

# Singular refits are part of the distribution: what lme4 says about each is not repeated here.
quiet <- function(x) suppressWarnings(suppressMessages(x))

test_of <- function(case) {
  read <- read_data(here, case)
  small <- lmer(as.formula(case$small), read$frame, REML = FALSE)
  big <- lmer(as.formula(case$big), read$frame, REML = FALSE)
  out <- quiet(PBmodcomp(big, small, nsim = DRAWS, seed = 1))
  c(case, sha256 = read$sha256, draws = DRAWS, extreme = unname(out$n.extreme),
    lr = out$test["LRT", "stat"], p = out$test["PBtest", "p.value"])
}

interval_of <- function(case) {
  read <- read_data(here, case)
  fit <- lmer(as.formula(case$formula), read$frame, REML = case$reml)
  limits <- quiet(confint(fit, method = "boot", nsim = DRAWS, boot.type = "perc", seed = 1))
  random <- seq_len(nrow(limits) - length(fixef(fit)))
  c(case, sha256 = read$sha256, draws = DRAWS,
    list(random = unname(limits[random, , drop = FALSE]),
         fixed = unname(limits[-random, , drop = FALSE])))
}

results <- lapply(tests, function(case) { message(case$id); test_of(case) })
limits <- lapply(intervals, function(case) { message(case$id); interval_of(case) })
write_reference(file.path(here, "bootstrap.json"), "make_bootstrap.R", c("lme4", "pbkrtest"),
                list(tests = results, intervals = limits))
