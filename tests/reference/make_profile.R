# 95% profile-likelihood intervals (ML) -> profile.json. Run: Rscript make_profile.R [folder]
#
# lme4's profile interpolates by a spline and breaks down next to the boundary (NA limits on
# Dyestuff2 and Orthodont). So the limits here are roots of the definition: the deviance with one
# parameter held fixed, minimised over all others from several starts, exceeds the minimum by the .95
# quantile of chi-square with one degree of freedom. The deviance is written out below, cluster by
# cluster; lme4 only supplies the model matrices. lme4's own limits are recorded beside them.
# Parameters: SDs and correlation of the random effects, residual SD, coefficients. A limit that does
# not exist because the deviance stays below the bound lies on the edge: SD 0, correlation -1 or 1.
suppressPackageStartupMessages(library(lme4))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
wanted <- c("hsb_empty", "london_slope", "language_intercept", "sleepstudy",
            "sleepstudy_uncorrelated", "dyestuff", "dyestuff2", "orthodont", "five_clusters")
bound <- qchisq(0.95, 1)

# Cross-products of [Z X y] for each cluster.
moments <- function(case, data) {
  parsed <- lFormula(as.formula(case$formula), data, REML = FALSE,
                     control = lmerControl(check.conv.singular = "ignore"))
  terms <- parsed$reTrms
  Z <- do.call(cbind, lapply(terms$Ztlist, rows_by_effect, nlevels(terms$flist[[1]])))
  y <- parsed$fr[[1]]
  rows <- split(seq_along(y), terms$flist[[1]])
  D <- cbind(Z, parsed$X, y)
  list(G = lapply(rows, function(i) crossprod(D[i, , drop = FALSE])), q = ncol(Z), p = ncol(parsed$X),
       N = length(y), correlated = length(terms$cnms) == 1 && ncol(Z) == 2,
       effects = unlist(terms$cnms, use.names = FALSE), coefs = colnames(parsed$X))
}

# The columns of one term's Z, from its sparse block of (effects x clusters) rows.
rows_by_effect <- function(Zt, clusters) {
  k <- nrow(Zt) / clusters
  vapply(seq_len(k), function(e) Matrix::colSums(Zt[seq(e, nrow(Zt), by = k), , drop = FALSE]),
         numeric(ncol(Zt)))
}

# -2 log-likelihood at SDs, correlation r, residual SD; coefficient k held at b (k = 0: none).
deviance_at <- function(m, sd, r, sigma, k = 0, b = 0) {
  L <- if (m$q == 1) matrix(sd) else matrix(c(sd[1], r * sd[2], 0, sqrt(max(0, 1 - r^2)) * sd[2]), 2)
  z <- seq_len(m$q)
  move <- diag(m$q + m$p + 1)
  if (k) { move[m$q + k, ncol(move)] <- -b; move <- move[, -(m$q + k)] }
  S <- 0; logdet <- 0
  for (G in m$G) {
    G <- crossprod(move, G %*% move) / sigma^2
    A <- crossprod(L, G[z, z] %*% L) + diag(m$q)
    H <- forwardsolve(t(chol(A)), crossprod(L, G[z, -z, drop = FALSE]))
    S <- S + G[-z, -z] - crossprod(H)
    logdet <- logdet + as.numeric(determinant(A)$modulus)
  }
  n <- ncol(S)
  rss <- if (n > 1) S[n, n] - sum(S[-n, n] * solve(S[-n, -n], S[-n, n])) else S[1, 1]
  logdet + m$N * log(2 * pi * sigma^2) + rss
}

# Parameters as one vector: SDs, correlation where there is one, residual SD.
layout <- function(m) c(paste0("sd", seq_len(m$q)), if (m$correlated) "cor", "sigma")
split_call <- function(m, v, ...) {
  names(v) <- layout(m)
  deviance_at(m, unname(v[paste0("sd", seq_len(m$q))]), if (m$correlated) v[["cor"]] else 0,
              v[["sigma"]], ...)
}

# Minimum over the parameters that are not held, from each of several starts.
minimise <- function(m, starts, held = integer(), value = NULL, ...) {
  names <- layout(m)
  lower <- c(sd1 = 0, sd2 = 0, cor = -1, sigma = 1e-3 * starts[[1]][["sigma"]])[names]
  upper <- c(sd1 = Inf, sd2 = Inf, cor = 1, sigma = Inf)[names]
  free <- setdiff(seq_along(names), held)
  best <- NULL
  for (start in starts) {
    f <- function(part) { v <- start; v[held] <- value; v[free] <- part; split_call(m, v, ...) }
    if (!length(free)) { return(list(value = f(numeric()), par = replace(start, held, value))) }
    run <- nlminb(start[free], f, lower = lower[free], upper = upper[free],
                  scale = 1 / pmax(abs(start[free]), 0.05 * max(abs(start))),
                  control = list(rel.tol = 1e-14, x.tol = 1e-12, eval.max = 2000, iter.max = 1000))
    if (is.null(best) || run$objective < best$value) {
      v <- start; v[held] <- value; v[free] <- run$par
      best <- list(value = run$objective, par = v)
    }
  }
  best
}

starts_around <- function(m, v) {
  spread <- list(v)
  sds <- grep("^sd", layout(m))
  away <- pmax(0.2 * v[sds], 0.02 * v[["sigma"]])
  spread <- c(spread, list(replace(v, sds, away)))
  if (m$correlated) for (r in c(-0.8, 0.8)) spread <- c(spread, list(replace(v, "cor", r)))
  spread
}

# Root of profile(x) - bound, walking outwards from the estimate; the edge if there is none.
limit <- function(profile, estimate, step, edge) {
  inside <- estimate
  for (i in 1:200) {
    outside <- if (step > 0) min(inside + step, edge) else max(inside + step, edge)
    if (profile(outside) > bound) {
      return(uniroot(function(x) profile(x) - bound, sort(c(inside, outside)), tol = 1e-11)$root)
    }
    if (outside == edge) return(edge)
    inside <- outside
  }
  stop("no limit found")
}

random_limits <- function(m, best, data) {
  out <- list()
  for (k in seq_along(layout(m))) {
    name <- layout(m)[k]
    label <- switch(name, sigma = "Residual", cor = paste(python_names(m$effects, data), collapse = ":"),
                    python_names(m$effects[as.integer(substring(name, 3))], data))
    profile <- function(x) minimise(m, starts_around(m, best$par), k, x)$value - best$value
    edges <- if (name == "cor") c(-1, 1) else c(0, Inf)
    step <- if (name == "cor") 0.1 else 0.15 * max(best$par[[k]], 0.05 * best$par[["sigma"]])
    if (name == "sigma") step <- 0.03 * best$par[["sigma"]]
    out[[label]] <- I(c(limit(profile, best$par[[k]], -step, edges[1]),
                        limit(profile, best$par[[k]], step, edges[2])))
  }
  out
}

fixed_limits <- function(m, best, fit, data) {
  out <- list()
  for (k in seq_len(m$p)) {
    profile <- function(b) minimise(m, starts_around(m, best$par), k = k, b = b)$value - best$value
    estimate <- fixef(fit)[[k]]
    step <- 0.5 * sqrt(vcov(fit)[k, k])
    out[[python_names(m$coefs[k], data)]] <- I(c(limit(profile, estimate, -step, -Inf),
                                                 limit(profile, estimate, step, Inf)))
  }
  out
}

lme4_limits <- function(fit) {
  table <- tryCatch(confint(fit, method = "profile", quiet = TRUE, oldNames = FALSE),
                    error = function(e) NULL)
  if (is.null(table)) return("confint stopped with an error")
  lapply(split(seq_len(nrow(table)), factor(rownames(table), unique(rownames(table)))),
         function(i) I(unname(table[i, ])))
}

intervals <- function(case) {
  read <- read_data(here, case)
  m <- moments(case, read$frame)
  fit <- lmer(as.formula(case$formula), read$frame, REML = FALSE)
  components <- as.data.frame(VarCorr(fit))
  start <- c(components$sdcor[is.na(components$var2) & components$grp != "Residual"],
             components$sdcor[!is.na(components$var2)], sigma(fit))
  start[is.nan(start)] <- 0
  names(start) <- layout(m)
  best <- minimise(m, starts_around(m, start))
  stopifnot(abs(best$value + 2 * as.numeric(logLik(fit))) < 1e-5)
  message(case$id)
  list(id = case$id, data = case$data, sha256 = read$sha256, derive = case$derive,
       formula = case$formula, reml = FALSE, level = 0.95, deviance = best$value,
       fixed = fixed_limits(m, best, fit, read$frame), random = random_limits(m, best, read$frame),
       lme4_confint = lme4_limits(fit))
}

cases <- Filter(function(case) case$id %in% wanted, read_cases(here))
if (length(args) > 1) cases <- Filter(function(case) case$id %in% args[-1], cases)
results <- lapply(cases, intervals)
if (length(args) > 1) writeLines(to_json(results)) else
  write_reference(file.path(here, "profile.json"), "make_profile.R", "lme4", results)
