# Fits the syntax of mlteach::lavaan_syntax -> lavaan_syntax.json: what lavaan read, and its fit.
# Run: python make_lavaan_syntax.py | Rscript make_lavaan_syntax.R [folder of this script]
#
# Each case: the number of distinct free parameters, the estimates by label, and the log-likelihood.
# sem() and lavaan() must agree: the syntax leaves nothing to defaults. lavaan 0.6-14 stops its
# two-level multigroup fits at a wrong optimum when a parameter is equal across groups; those
# log-likelihoods are stored as they come, and may be too low.
suppressPackageStartupMessages(library(lavaan))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
cases <- jsonlite::fromJSON(file("stdin"), simplifyVector = FALSE)
long <- read.csv(file.path(here, "data", "lavaan_syntax.csv"), colClasses = c(group = "character"))

widen <- function(long, variables) {
  long$member <- ave(long$cluster, long$cluster, FUN = seq_along)
  reshape(long[c("cluster", "group", "member", variables)], idvar = c("cluster", "group"),
          timevar = "member", direction = "wide", sep = "_")
}

one <- function(case) {
  groups <- unlist(case$groups)
  variables <- unlist(case$variables)
  data <- long[long$group %in% groups, ]
  call <- list(model = paste(case$syntax, collapse = "\n"))
  call$data <- if (case$form == "wide") widen(data, variables) else data
  if (case$form == "two-level") call$cluster <- "cluster"
  if (length(groups) > 1) call <- c(call, list(group = "group", group.label = groups))
  fits <- lapply(c("sem", "lavaan"), do.call, call)
  logls <- vapply(fits, function(f) as.numeric(logLik(f)), 0)
  fit <- fits[[1]]
  stopifnot(abs(diff(logls)) < 1e-6, lavInspect(fit, "converged") || case$form == "two-level")
  estimates <- coef(fit)
  c(case, list(converged = lavInspect(fit, "converged"),
               npar = attr(logLik(fit), "df"), logl = logls[1],
               estimates = estimates[!duplicated(names(estimates))]))
}

results <- lapply(cases, one)
for (k in seq_along(results)) {
  for (field in c("variables", "groups", "syntax")) results[[k]][[field]] <- I(unlist(results[[k]][[field]]))
  if (!is.null(results[[k]]$settings$equal)) {
    results[[k]]$settings$equal <- I(unlist(results[[k]]$settings$equal))
  }
}
sha <- digest::digest(file = file.path(here, "data", "lavaan_syntax.csv"), algo = "sha256")
write_reference(file.path(here, "lavaan_syntax.json"), "make_lavaan_syntax.R", "lavaan", results,
                sha256 = sha)
