# Two-level path models by lavaan -> lavaan.json: the reference of latent centring.
# Run: Rscript make_lavaan.R [folder of this script]
#
# Each case is fitted twice with maximum likelihood: as a path model (y on the predictors at both
# levels, contextual := between - within) and saturated (all means, within and between covariances);
# the two are one model. Predictors are random (fixed.x = FALSE): log-likelihood and standard errors
# are those of the joint normal distribution of y and all predictors, level-2 ones too.
#
# lavaan's default, fixed.x = TRUE, holds the moments of x at the estimates of an EM algorithm whose
# tolerance of 1e-4 cannot be set. That moves estimates by up to .002 standard errors, and by up to
# .17 where there are level-2 predictors; the standard errors take the moments of x as known and are
# up to a fifth smaller; the log-likelihood counts the x of both levels but not those of level 2 only.
# Stored under fixed_x, for comparison only.
#
# lavaan stops where its objective is flat to 1e-10. Newton steps on its own gradient, with a Hessian
# by Richardson's extrapolation of that gradient, take the last digits. Standard errors are from the
# observed information, the inverse of that Hessian; lavaan's own come from four-point differences of
# the same gradient.
suppressPackageStartupMessages(library(lavaan))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
SE_AGREE <- 1e-3 # relative: lavaan's are those at its own, unpolished estimates

# within: predictors with a part at both levels; between: predictors of the clusters only
wanted <- list(
  list(id = "hsb_ses", data = "../../data/hsb.csv", cluster = "school", y = "math", both = "ses",
       why = "the book's example"),
  list(id = "hsb_three", data = "../../data/hsb.csv", cluster = "school", y = "math",
       both = c("ses", "minority", "female"), why = "three predictors, two of them 0/1"),
  list(id = "hsb_catholic", data = "../../data/hsb.csv", cluster = "school", y = "math",
       both = "ses", level2 = "catholic", why = "a level-2 predictor beside"),
  list(id = "london_score11", data = "../../data/london.csv", cluster = "school", y = "score16",
       both = "score11", why = "contextual effect small"),
  list(id = "language_iq", data = "../../data/language.csv", cluster = "school", y = "language",
       both = c("iq_verbal", "ses_z"), level2 = "clubs", why = "two at both levels, one at level 2"),
  list(id = "constant_x", data = "data/constant_x.csv", cluster = "cluster", y = "y", both = "x",
       why = "45 small clusters of many sizes, x constant in a third of them"),
  list(id = "latent", data = "data/latent.csv", cluster = "cluster", y = "y", both = c("x", "z"),
       level2 = "w", why = "40 clusters of 1 to 9 rows"),
  list(id = "repelled", data = "data/repelled.csv", cluster = "cluster", y = "y", both = "x",
       why = "the variance of x between clusters is negative", fixed_x = FALSE))

path_model <- function(case) {
  x <- case$both
  level2 <- sprintf("%s ~ %s", case$y,
                    paste(c(sprintf("b_%s * %s", x, x), case$level2), collapse = " + "))
  paste(c("level: 1", sprintf("%s ~ %s", case$y, paste0("w_", x, " * ", x, collapse = " + ")),
          "level: 2", level2, sprintf("c_%s := b_%s - w_%s", x, x, x)), collapse = "\n")
}

saturated_model <- function(case) {
  all <- function(names) {
    pairs <- which(upper.tri(diag(length(names)), diag = TRUE), arr.ind = TRUE)
    sprintf("%s ~~ %s", names[pairs[, 1]], names[pairs[, 2]])
  }
  within <- c(case$y, case$both)
  between <- c(within, case$level2)
  paste(c("level: 1", all(within), "level: 2", all(between), paste(between, "~ 1")),
        collapse = "\n")
}

# A first estimate; Newton's steps end it
fit_to <- function(model, data, cluster, ...) {
  sem(model, data, cluster = cluster, baseline = FALSE, ...)
}

slope <- function(x, fit) {
  model <- lavaan:::lav_model_set_parameters(fit@Model, x)
  lavaan:::lav_model_gradient(model, lavsamplestats = fit@SampleStats, lavdata = fit@Data,
                              lavcache = fit@Cache)
}

hessian <- function(x, fit) {
  H <- numDeriv::jacobian(slope, x, fit = fit)
  (H + t(H)) / 2
}

# Parameters after Newton's steps, and their covariance matrix; with respect to the free parameters
polish <- function(fit) {
  stopifnot(lavInspect(fit, "converged"))
  x <- lavaan:::lav_model_get_parameters(fit@Model)
  for (k in 1:20) {
    step <- solve(hessian(x, fit), slope(x, fit))
    x <- x - step
    if (max(abs(step) / pmax(abs(x), 1e-3)) < 1e-10) break
  }
  stopifnot(k < 20)
  V <- solve(hessian(x, fit)) / lavInspect(fit, "ntotal")
  away <- max(abs(sqrt(diag(V) / diag(vcov(fit))) - 1))
  message("  standard errors differ from lavaan's by ", signif(away, 2))
  stopifnot(away < SE_AGREE)
  list(x = x, V = V, model = lavaan:::lav_model_set_parameters(fit@Model, x))
}

log_likelihood <- function(model, fit) {
  lavaan:::lav_model_loglik(lavdata = fit@Data, lavsamplestats = fit@SampleStats,
                            lavimplied = lavaan:::lav_model_implied(model), lavmodel = model,
                            lavoptions = fit@Options)$loglik
}

# Names as in the model's text: "math ~ ses", "math ~~ ses", with the level behind
parameter_names <- function(fit) {
  table <- parTable(fit)
  table <- table[table$free > 0, ]
  op <- ifelse(table$op == "~1", "~ 1", paste(table$op, table$rhs))
  sprintf("%s %s @ %s", table$lhs, op, c("within", "between")[table$level])[order(table$free)]
}

# y and its predictors, within and between: matrices with names
implied <- function(model, fit) {
  parts <- lavaan:::lav_model_implied(model)
  named <- function(values, level) {
    names <- lavNames(fit, "ov", block = level)
    array(values, rep(length(names), length(dim(values))), rep(list(names), length(dim(values))))
  }
  rows <- function(V) lapply(setNames(rownames(V), rownames(V)), function(i) V[i, ])
  names <- lavNames(fit, "ov", block = 2)
  list(within = rows(named(parts$cov[[1]], 1)), between = rows(named(parts$cov[[2]], 2)),
       mean = setNames(as.numeric(parts$mean[[2]]), names))
}

# within, between and contextual effect of each predictor with their covariance matrix
effects_of <- function(case, best) {
  x <- case$both
  at <- vapply(c(sprintf("%s ~ %s @ within", case$y, x), sprintf("%s ~ %s @ between", case$y, x)),
               function(name) match(name, names(best$x)), 1L)
  k <- length(x)
  L <- rbind(diag(2 * k), cbind(-diag(k), diag(k)))
  estimate <- drop(L %*% best$x[at])
  V <- L %*% best$V[at, at] %*% t(L)
  names(estimate) <- c(paste("within", x), paste("between", x), paste("contextual", x))
  list(estimate = estimate, se = setNames(sqrt(diag(V)), names(estimate)))
}

path <- function(case, data) {
  model <- path_model(case)
  fit <- fit_to(model, data, case$cluster, fixed.x = FALSE)
  best <- polish(fit)
  names(best$x) <- parameter_names(fit)
  defined <- effects_of(case, best)
  table <- parameterEstimates(fit)
  theirs <- table$se[table$op == ":="]
  contextual <- defined$se[startsWith(names(defined$se), "contextual")]
  stopifnot(all(abs(contextual / theirs - 1) < SE_AGREE))
  c(list(model = strsplit(model, "\n")[[1]], npar = length(best$x),
         logl = log_likelihood(best$model, fit), estimate = best$x,
         se = setNames(sqrt(diag(best$V)), names(best$x)), effects = defined),
    if (!isFALSE(case$fixed_x)) list(fixed_x = path_given_x(case, model, data)))
}

# An EM algorithm cannot reach a negative variance, so not for such a case
path_given_x <- function(case, model, data) {
  fit <- fit_to(model, data, case$cluster, fixed.x = TRUE)
  best <- polish(fit)
  names(best$x) <- parameter_names(fit)
  list(npar = length(best$x), logl = log_likelihood(best$model, fit),
       effects = effects_of(case, best))
}

saturated <- function(case, data) {
  model <- saturated_model(case)
  fit <- fit_to(model, data, case$cluster)
  best <- polish(fit)
  names(best$x) <- parameter_names(fit)
  c(list(model = strsplit(model, "\n")[[1]], npar = length(best$x),
         logl = log_likelihood(best$model, fit), estimate = best$x,
         se = setNames(sqrt(diag(best$V)), names(best$x))), implied(best$model, fit))
}

one <- function(case) {
  message(case$id)
  read <- read_data(here, case)
  data <- read$frame
  data[[case$cluster]] <- as.integer(data[[case$cluster]])
  list(id = case$id, why = case$why, data = case$data, sha256 = read$sha256,
       cluster = case$cluster, y = case$y, both = I(case$both), level2 = I(as.character(case$level2)),
       nobs = nrow(data), n_clusters = length(unique(data[[case$cluster]])),
       path = path(case, data), saturated = saturated(case, data))
}

results <- lapply(wanted, one)
write_reference(file.path(here, "lavaan.json"), "make_lavaan.R", c("lavaan", "numDeriv"), results)
