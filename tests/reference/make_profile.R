# 95% profile-likelihood intervals by lme4 -> profile.json (ML: lme4 profiles no other criterion).
# Run: Rscript make_profile.R [folder of this script]
#
# lme4 interpolates the profile by a spline; with its default spacing the limits carry about three
# digits. The spacing here is four times finer.
suppressPackageStartupMessages(library(lme4))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
wanted <- c("hsb_empty", "london_slope", "language_intercept", "sleepstudy",
            "sleepstudy_uncorrelated", "dyestuff", "dyestuff2", "orthodont", "five_clusters")

# "sd_x|g" -> "x", "cor_b.a|g" -> "a:b", "sigma" -> "Residual", as fit.confint() names its rows
component <- function(name, data) {
  if (name == "sigma") return("Residual")
  name <- sub("\\|.*$", "", name)
  if (startsWith(name, "sd_")) return(python_names(substring(name, 4), data))
  pair <- strsplit(substring(name, 5), ".", fixed = TRUE)[[1]]
  paste(python_names(rev(pair), data), collapse = ":")
}

limits <- function(table) {
  lapply(split(seq_len(nrow(table)), factor(rownames(table), unique(rownames(table)))),
         function(i) I(unname(table[i, ])))
}

intervals <- function(case) {
  read <- read_data(here, case)
  tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  fit <- lmer(as.formula(case$formula), read$frame, REML = FALSE, control = tight)
  table <- confint(profile(fit, signames = FALSE, delta.cutoff = 1 / 32), level = 0.95)
  random <- grepl("^(sd_|cor_|sigma$)", rownames(table))
  rownames(table)[random] <- vapply(rownames(table)[random], component, "", data = read$frame)
  rownames(table)[!random] <- python_names(rownames(table)[!random], read$frame)
  list(id = case$id, data = case$data, sha256 = read$sha256, derive = case$derive,
       formula = case$formula, reml = FALSE, level = 0.95,
       call = "confint(profile(lmer(..., REML = FALSE), delta.cutoff = 1/32), level = .95)",
       fixed = limits(table[!random, , drop = FALSE]), random = limits(table[random, , drop = FALSE]))
}

cases <- Filter(function(case) case$id %in% wanted, read_cases(here))
write_reference(file.path(here, "profile.json"), "make_profile.R", "lme4", lapply(cases, intervals))
