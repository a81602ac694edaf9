# What lavaan says of the models of chapter 14 -> chapter_14.json.
# Run: python make_chapter_14.py | Rscript make_chapter_14.R [folder of this script]
#
# wide: the four hypotheses on four students of each school; estimates and standard errors as lavaan
# prints them (expected information), log-likelihood, fit measures. long, full: the same hypotheses
# by lavaan's two-level estimator, on the same students and on all of High School and Beyond. The
# groups differ in size, and lavaan 0.6-14 then stops short of the maximum wherever a parameter is
# equal across groups (see make_multigroup.R).
suppressPackageStartupMessages(library(lavaan))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
given <- jsonlite::fromJSON(file("stdin"), simplifyVector = FALSE)
groups <- unlist(given$groups)
four <- read.csv(file.path(here, "data", "hsb_four.csv"))
full <- read.csv(file.path(here, "..", "..", "data", "hsb.csv"))
four$member <- ave(four$school, four$school, FUN = seq_along)
wide <- reshape(four, direction = "wide", idvar = c("school", "sector"), timevar = "member", sep = "_")
MEASURES <- c("chisq", "df", "pvalue", "cfi", "tli", "rmsea", "rmsea.ci.lower", "rmsea.ci.upper",
              "srmr")

long_logl <- function(model, data) {
  said <- character()
  fit <- withCallingHandlers(
    sem(model, data, cluster = "school", group = "sector", group.label = groups),
    warning = function(w) {
      said <<- c(said, conditionMessage(w))
      invokeRestart("muffleWarning")
    })
  list(converged = lavInspect(fit, "converged"), logl = as.numeric(logLik(fit)), warnings = I(said))
}

one <- function(model) {
  fit <- sem(model$wide, wide, group = "sector", group.label = groups)
  table <- parameterEstimates(fit)
  table <- table[table$label != "" & !duplicated(table$label), ]
  measures <- fitMeasures(fit)[MEASURES]
  list(within = model$within, between = model$between,
       wide = list(syntax = I(strsplit(model$wide, "\n")[[1]]), logl = as.numeric(logLik(fit)),
                   npar = attr(logLik(fit), "df"), estimate = setNames(table$est, table$label),
                   se = setNames(table$se, table$label),
                   measures = setNames(as.numeric(measures), MEASURES)),
       long = long_logl(model$long, four), full = long_logl(model$long, full))
}

sha <- digest::digest(file = file.path(here, "data", "hsb_four.csv"), algo = "sha256")
write_reference(file.path(here, "chapter_14.json"), "make_chapter_14.R", "lavaan",
                lapply(given$models, one), sha256 = sha)
