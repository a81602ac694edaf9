# 95% profile-likelihood intervals by lme4's confint (ML) -> profile_lme4.json. A second witness beside
# profile.json: lme4 interpolates the profile by a spline, so it agrees to three or four digits, and
# away from the boundary only. Run: Rscript make_profile_lme4.R [folder of this script]
suppressPackageStartupMessages(library(lme4))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
wanted <- c("hsb_empty", "hsb_level2", "hsb_slope", "hsb_cross_level", "london_slope",
            "language_intercept", "language_cross_level", "sleepstudy")

# lme4's "sd_(Intercept)|school" and "cor_x.(Intercept)|school" as mlteach has them
random_names <- function(names, data) {
  part <- function(name) {
    name <- sub("\\|.*$", "", name)
    if (name == "sigma") return("Residual")
    if (startsWith(name, "sd_")) return(python_names(substring(name, 4), data))
    pair <- strsplit(substring(name, 5), ".", fixed = TRUE)[[1]]
    paste(rev(python_names(pair, data)), collapse = ":")
  }
  vapply(names, part, "")
}

limits <- function(case) {
  read <- read_data(here, case)
  data <- read$frame
  tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  fit <- lmer(as.formula(case$formula), data, REML = FALSE, control = tight)
  ci <- confint(fit, method = "profile", oldNames = FALSE, quiet = TRUE)
  fixed <- rownames(ci) %in% names(fixef(fit))
  rows <- function(which, names) setNames(lapply(which(which), function(i) unname(ci[i, ])), names)
  list(id = case$id, data = case$data, sha256 = read$sha256, derive = case$derive,
       formula = case$formula, reml = FALSE, level = 0.95, deviance = -2 * as.numeric(logLik(fit)),
       fixed = rows(fixed, python_names(rownames(ci)[fixed], data)),
       random = rows(!fixed, random_names(rownames(ci)[!fixed], data)))
}

cases <- Filter(function(case) case$id %in% wanted, read_cases(here))
results <- lapply(cases, function(case) { message(case$id); limits(case) })
write_reference(file.path(here, "profile_lme4.json"), "make_profile_lme4.R", "lme4", results)
