# Reference values of lme4, lmerTest and pbkrtest -> lme4.json.
# Run: Rscript make_lme4.R [folder of this script]
#
# lme4's own answer is not good enough to serve as a reference: its default optimiser stops early.
# So each model is fitted from many starts with three optimisers; the lowest deviance is then
# polished by Newton steps on Richardson derivatives, with parameters on the boundary held there.
# How far lme4's default stopped from that optimum is recorded beside it.
suppressPackageStartupMessages({
  library(lme4); library(lmerTest); library(pbkrtest); library(numDeriv)
})
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
only <- args[-1]
source(file.path(here, "common.R"))

# Remember messages and warnings of an expression instead of printing them.
listen <- function(expr) {
  heard <- character()
  value <- withCallingHandlers(expr,
    warning = function(w) { heard <<- c(heard, conditionMessage(w)); invokeRestart("muffleWarning") },
    message = function(m) { heard <<- c(heard, conditionMessage(m)); invokeRestart("muffleMessage") })
  list(value = value, heard = trimws(heard))
}

# ---- the optimum ---------------------------------------------------------------------------
optimisers <- list(
  bobyqa = function(f, start, lower) minqa::bobyqa(start, f, lower = lower,
    control = list(rhobeg = 0.2, rhoend = 1e-9, maxfun = 1e5))$par,
  nlopt = function(f, start, lower) nloptr::nloptr(start, f, lb = lower,
    opts = list(algorithm = "NLOPT_LN_BOBYQA", xtol_rel = 1e-13, ftol_abs = 1e-13, maxeval = 1e5))$solution,
  nelder_mead = function(f, start, lower) lme4::Nelder_Mead(f, start, lower = lower,
    control = list(xst = rep(0.05, length(start)), xt = rep(1e-9, length(start)),
                   FtolAbs = 1e-12, FtolRel = 1e-15, maxfun = 20000))$par
)

starts <- function(first, identity) {
  set.seed(20260801)
  perturbed <- lapply(1:6, function(i) first * exp(rnorm(length(first), sd = 0.7)) + rnorm(length(first), sd = 0.1))
  c(list(first, identity, identity * 0.1, identity * 0.01, identity * 3), perturbed)
}

# Richardson steps: wide enough to stand out of the rounding noise of the deviance (about 1e-9 at
# 46,500), absolute as well as relative because a relative step is blind next to zero.
wide <- list(d = 5e-3, eps = 5e-3, zero.tol = 1e9)

newton <- function(f, theta, free) {
  at <- function(part) { theta[free] <- part; f(theta) }
  for (step in 1:6) {
    part <- theta[free]
    move <- tryCatch(solve(hessian(at, part, method.args = wide),
                           grad(at, part, method.args = wide)), error = function(e) NULL)
    if (is.null(move) || !all(is.finite(move)) || max(abs(move) / (1 + abs(part))) > 0.05) break
    if (at(part - move) > at(part) + 1e-8) break
    theta[free] <- part - move
    if (max(abs(move) / (1 + abs(part))) < 1e-11) break
  }
  theta
}

# Parameters (diagonal elements of the Cholesky factor) that are zero to within noise are put to
# exactly zero when that does not raise the deviance.
to_boundary <- function(f, theta, lower) {
  for (k in which(lower == 0 & theta < 1e-3)) {
    trial <- replace(theta, k, 0)
    if (f(trial) <= f(theta) + 1e-9) theta <- trial
  }
  theta
}

best_theta <- function(f, lower, first) {
  identity <- as.numeric(lower == 0)
  ends <- list()
  for (start in starts(first, identity)) for (o in optimisers) {
    start <- pmax(start, lower)
    ends[[length(ends) + 1]] <- tryCatch(o(f, start, lower), error = function(e) start)
  }
  values <- vapply(ends, f, 0)
  theta <- to_boundary(f, pmax(ends[[which.min(values)]], lower), lower)
  free <- !(lower == 0 & theta == 0)
  if (any(free)) theta <- newton(f, theta, free)
  stopifnot(f(theta) <= min(values) + 1e-7)
  list(theta = theta, free = free, spread = range(values) - f(theta),
       gradient = if (any(free)) max(abs(grad(function(p) f(replace(theta, free, p)), theta[free], method.args = wide))) else 0)
}

# ---- one model -----------------------------------------------------------------------------
assemble_tau <- function(model) {
  blocks <- VarCorr(model)
  names <- unlist(lapply(blocks, rownames))
  tau <- as.matrix(Matrix::bdiag(lapply(blocks, function(b) matrix(b, nrow(b)))))
  dimnames(tau) <- list(names, names)
  tau
}

# Map of coefficients back to the units of the file: (1, x_fit) A = (1, x_file).
affine_map <- function(case, coefs) {
  A <- diag(length(coefs)); dimnames(A) <- list(coefs, coefs)
  for (v in setdiff(names(case$affine), outcome_of(case))) {
    A["(Intercept)", v] <- case$affine[[v]]$offset
    A[v, v] <- case$affine[[v]]$scale
  }
  A
}
outcome_of <- function(case) all.vars(as.formula(case$formula))[1]
outcome_scale <- function(case) {
  a <- case$affine[[outcome_of(case)]]
  if (is.null(a)) list(offset = 0, scale = 1) else a
}
rescale <- function(frame, case) {
  for (v in names(case$affine)) {
    frame[[v]] <- (frame[[v]] - case$affine[[v]]$offset) / case$affine[[v]]$scale
  }
  frame
}

# Conditional mean and variance of one cluster's random effects, from the textbook formula.
cluster_effects <- function(model, tau, label, cluster) {
  rows <- model@frame[[cluster]] == label
  Z <- as.matrix(do.call(cbind, getME(model, "mmList")))[rows, , drop = FALSE]
  V <- Z %*% tau %*% t(Z) + sigma(model)^2 * diag(sum(rows))
  r <- (getME(model, "y") - getME(model, "X") %*% fixef(model))[rows]
  list(mean = drop(tau %*% t(Z) %*% solve(V, r)),
       var = tau - tau %*% t(Z) %*% solve(V, Z) %*% tau)
}

# SE of (tau, sigma2) from the observed information of (theta, sigma), beta profiled out.
variance_components <- function(model) {
  theta <- getME(model, "theta"); s <- sigma(model)
  to_components <- function(p) {
    Lt <- getME(model, "Lambdat"); q <- sum(lengths(model@cnms))
    # one cluster's block: the first level of every term
    index <- getME(model, "Gp")[seq_along(model@cnms)]
    rows <- unlist(mapply(function(g, n) g + seq_len(n), index, lengths(model@cnms), SIMPLIFY = FALSE))
    Lt@x <- p[-length(p)][getME(model, "Lind")]
    block <- as.matrix(Lt[rows, rows, drop = FALSE])
    tau <- p[length(p)]^2 * crossprod(block)
    c(tau[lower.tri(tau, diag = TRUE)], p[length(p)]^2)
  }
  list(value = to_components(c(theta, s)), jacobian = jacobian(to_components, c(theta, s)),
       vcov = as_lmerModLmerTest(model)@vcov_varpar)
}

# Degrees of freedom of the rows of L: the coefficients in the units of the file.
satterthwaite <- function(model, L) {
  model <- as_lmerModLmerTest(model)
  apply(L, 1, function(l) contest1D(model, l, ddf = "Satterthwaite")[["df"]])
}

kenward_roger <- function(model, L) {
  V0 <- vcov(model)
  Va <- vcovAdj(model)
  df <- vapply(seq_len(nrow(L)), function(k) Lb_ddf(L[k, , drop = FALSE], V0, Va), 0)
  list(df = df, vcov = as.matrix(Va))
}

fit_case <- function(case, reml) {
  read <- read_data(here, case)
  raw <- read$frame
  data <- rescale(raw, case)
  formula <- as.formula(case$formula)
  default <- listen(lmer(formula, raw, REML = reml))
  first <- suppressMessages(suppressWarnings(lmer(formula, data, REML = reml)))
  f <- lmer(formula, data, REML = reml, devFunOnly = TRUE)
  best <- best_theta(f, getME(first, "lower"), getME(first, "theta"))
  theta <- best$theta
  model <- eval(bquote(lmer(.(formula), data, REML = .(reml), start = .(theta),
    control = lmerControl(optimizer = NULL, calc.derivs = FALSE))))
  stopifnot(max(abs(getME(model, "theta") - theta)) == 0)

  y <- outcome_scale(case)
  N <- nobs(model); p <- length(fixef(model))
  A <- affine_map(case, names(fixef(model)))
  B <- y$scale * solve(A)
  V <- B %*% as.matrix(vcov(model)) %*% t(B)
  beta <- drop(B %*% fixef(model)); beta["(Intercept)"[p > 0 && "(Intercept)" %in% names(beta)]] <- beta["(Intercept)"] + y$offset
  tau0 <- assemble_tau(model)
  Bz <- if (is.null(case$affine)) diag(nrow(tau0)) else B
  tau <- Bz %*% tau0 %*% t(Bz); dimnames(tau) <- dimnames(tau0)
  shift <- if (reml) 2 * (N - p) * log(y$scale) + 2 * log(abs(det(A))) else 2 * N * log(y$scale)
  value <- f(theta) + shift
  k <- p + length(theta) + 1

  singular <- any(theta[getME(model, "lower") == 0] == 0)
  fixed_names <- python_names(names(fixef(model)), data)
  random_names <- unname(python_names(rownames(tau), data))
  fixed <- list(estimate = setNames(beta, fixed_names), se = setNames(sqrt(diag(V)), fixed_names))
  satt <- listen(tryCatch(satterthwaite(model, B), error = function(e) { message(conditionMessage(e)); rep(NA, p) }))
  fixed$df_satterthwaite <- setNames(satt$value, fixed_names)
  kr_seconds <- NULL
  if (reml && isTRUE(case$kr)) {
    kr_seconds <- system.time(kr <- kenward_roger(model, B))[["elapsed"]]
    fixed$df_kenward_roger <- setNames(kr$df, fixed_names)
    fixed$se_kenward_roger <- setNames(sqrt(diag(B %*% kr$vcov %*% t(B))), fixed_names)
  }

  components <- NULL
  if (!singular) {
    vc <- variance_components(model)
    # linear map of vech(tau) and sigma2 to the units of the file
    q <- nrow(tau)
    vech <- function(T) T[lower.tri(T, diag = TRUE)]
    map <- matrix(0, length(vc$value), length(vc$value))
    for (i in seq_len(length(vc$value) - 1)) {
      unit <- matrix(0, q, q); unit[lower.tri(unit, diag = TRUE)][i] <- 1
      unit <- unit + t(unit) - diag(diag(unit), q)
      map[-nrow(map), i] <- vech(Bz %*% unit %*% t(Bz))
    }
    map[nrow(map), ncol(map)] <- y$scale^2
    J <- map %*% vc$jacobian
    se <- sqrt(diag(J %*% vc$vcov %*% t(J)))
    pair <- which(lower.tri(tau, diag = TRUE), arr.ind = TRUE)
    label <- ifelse(pair[, 1] == pair[, 2], random_names[pair[, 1]],
                    paste(random_names[pair[, 2]], random_names[pair[, 1]], sep = ":"))
    # no covariance parameter (double bar): no standard error
    keep <- c(vech(tau != 0 | diag(q) == 1), TRUE)
    components <- setNames(se[keep], c(label, "Residual")[keep])
  }

  labels <- levels(data[[case$cluster]])
  size <- table(data[[case$cluster]])[labels]
  shown <- unique(c(labels[1], labels[length(labels)], labels[which.max(size)], labels[which.min(size)]))
  theirs <- ranef(model)[[1]]
  ranefs <- lapply(setNames(shown, shown), function(l) {
    e <- cluster_effects(model, tau0, l, case$cluster)
    stopifnot(max(abs(e$mean - unlist(theirs[l, ]))) < 1e-6 * max(1, abs(e$mean)))
    list(mean = setNames(drop(Bz %*% e$mean), random_names),
         sd = setNames(sqrt(pmax(0, diag(Bz %*% e$var %*% t(Bz)))), random_names))
  })

  out <- list(
    id = case$id, why = case$why, data = case$data, sha256 = read$sha256, derive = case$derive,
    cluster = case$cluster, formula = case$formula, reml = reml,
    call = sprintf("lmer(%s, REML = %s)", case$formula, reml),
    nobs = N, n_clusters = nlevels(data[[case$cluster]]), singular = singular,
    deviance = value, llf = -value / 2, aic = value + 2 * k, bic = value + log(N) * k, parameters = k,
    fixed = fixed, random_names = I(random_names), tau = unname(tau), sigma2 = (sigma(model) * y$scale)^2,
    variances_se_observed = components, ranef = ranefs,
    optimum = list(theta = I(theta), gradient = best$gradient, worst_end_excess = best$spread[2],
      lme4_default_excess = -2 * as.numeric(logLik(default$value)) - value,
      lme4_default_says = I(default$heard)),
    satterthwaite_says = I(satt$heard), kenward_roger_seconds = kr_seconds)
  if (is.null(case$affine)) {
    stopifnot(abs(AIC(model) - out$aic) < 1e-6, abs(BIC(model) - out$bic) < 1e-6)
  }
  out
}

cases <- read_cases(here)
if (length(only)) cases <- Filter(function(case) case$id %in% only, cases)
results <- list()
for (case in cases) for (reml in c(TRUE, FALSE)) {
  seconds <- system.time(r <- fit_case(case, reml))[["elapsed"]]
  message(sprintf("%-24s %-4s deviance %.6f  default excess %.2e  gradient %.1e  singular %s  %.0f s",
                  case$id, if (reml) "REML" else "ML", r$deviance, r$optimum$lme4_default_excess,
                  r$optimum$gradient, r$singular, seconds))
  results[[length(results) + 1]] <- r
}
path <- if (length(only)) "" else file.path(here, "lme4.json")
packages <- c("lme4", "lmerTest", "pbkrtest", "numDeriv", "minqa", "nloptr", "Matrix")
if (nzchar(path)) write_reference(path, "make_lme4.R", packages, results) else
  writeLines(to_json(results))
