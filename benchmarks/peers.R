# One timed task for one R package, in a process of its own; prints one line of JSON.
# Usage: Rscript peers.R ROOT PACKAGE TASK REPEATS [FILE]. Twin of worker.py, see there.
args <- commandArgs(trailingOnly = TRUE)
root <- args[1]; package <- args[2]; task <- args[3]; repeats <- as.integer(args[4]); file <- args[5]

load_hsb <- function() {
  data <- read.csv(file.path(root, "data", "hsb.csv"))
  data$ses_within <- data$ses - data$mean_ses
  data
}
load_million <- function() {
  n <- file.size(file) / 8
  columns <- matrix(readBin(file, "double", n), ncol = 3)
  data.frame(g = as.integer(columns[, 1]), x = columns[, 2], y = columns[, 3])
}
load_multigroup <- function() {
  columns <- matrix(readBin(file, "double", file.size(file) / 8), ncol = 4)
  data <- setNames(as.data.frame(columns), c("group", "cluster", "x1", "x2"))
  data$group <- c("ALB", "IRL")[data$group + 1] # lavaan takes "group: 1" for the first one
  data
}
# One row a cluster: x1_1, x2_1, x1_2, ...
multigroup_wide <- function(data) {
  data$member <- ave(data$cluster, data$cluster, FUN = seq_along)
  wide <- reshape(data, direction = "wide", idvar = c("group", "cluster"), timevar = "member",
                  v.names = c("x1", "x2"), sep = "_")
  wide[rowSums(!is.na(wide[-(1:2)])) > 0, ]
}
# Heterogeneous within: between equal in both groups, means and within free
wide_model <- function(n) {
  m <- seq_len(n)
  c(sprintf("f%d =~ %s", 1:2, sapply(1:2, function(v) paste0("1*x", v, "_", m, collapse = " + "))),
    "f1 ~~ c(b11,b11)*f1", "f1 ~~ c(b12,b12)*f2", "f2 ~~ c(b22,b22)*f2",
    sprintf("x1_%d ~~ c(w11a,w11b)*x1_%d", m, m), sprintf("x1_%d ~~ c(w12a,w12b)*x2_%d", m, m),
    sprintf("x2_%d ~~ c(w22a,w22b)*x2_%d", m, m),
    sprintf("x%d_%d ~ 0*1", rep(1:2, n), rep(m, each = 2)),
    "f1 ~ c(m1a,m1b)*1", "f2 ~ c(m2a,m2b)*1")
}
two_level_model <- function(groups) {
  unlist(lapply(groups, function(g) c(
    paste("group:", g), "level: 1", "x1 ~~ x1", "x1 ~~ x2", "x2 ~~ x2",
    "level: 2", "x1 ~~ b11*x1", "x1 ~~ b12*x2", "x2 ~~ b22*x2", "x1 ~ 1", "x2 ~ 1")))
}
clock <- function(call, repeats, prepare = function() NULL) {
  times <- numeric()
  for (i in seq_len(repeats + 1)) {
    prepared <- prepare()
    start <- Sys.time()
    value <- call(prepared)
    times[i] <- as.numeric(difftime(Sys.time(), start, units = "secs"))
  }
  list(times = I(if (repeats > 0) times[-1] else times), value = value)
}
quiet <- suppressPackageStartupMessages
deviance_of <- function(fit) -2 * as.numeric(logLik(fit))
empty <- math ~ 1 + (1 | school)
slope <- math ~ ses_within + (1 + ses_within | school)
no_slope <- math ~ ses_within + (1 | school)
contextual <- "level: 1
math ~ w * ses
level: 2
math ~ b * ses
contextual := b - w"
cross <- math ~ mean_ses * ses_within + catholic * ses_within + (1 + ses_within | school)

# Variance of the last random effect, and residual variance; NULL where the fit stops. What the
# packages complain of goes to stderr.
digits <- function(fit_one) {
  sets <- jsonlite::fromJSON(file, simplifyVector = FALSE)
  lapply(sets, function(s) tryCatch(fit_one(s, read.csv(s$file)), error = function(e) NULL))
}
by_lme4 <- function(s, data) {
  fit <- lmer(as.formula(sprintf("%s + (%s | cluster)", s$fixed, s$random)), data)
  tau <- VarCorr(fit)$cluster
  c(tau[nrow(tau), ncol(tau)], sigma(fit)^2)
}
by_nlme <- function(s, data) {
  fit <- nlme::lme(as.formula(s$fixed), data, as.formula(sprintf("~ %s | cluster", s$random)))
  tau <- nlme::getVarCov(fit)
  c(tau[nrow(tau), ncol(tau)], fit$sigma^2)
}

result <- switch(paste(package, task),
  "lme4 hsb_empty" = { library(lme4, quietly = TRUE); d <- load_hsb()
    clock(function(.) deviance_of(lmer(empty, d)), repeats) },
  "lme4 hsb_cross_level" = { library(lme4, quietly = TRUE); d <- load_hsb()
    clock(function(.) deviance_of(lmer(cross, d)), repeats) },
  "lmerTest satterthwaite" = { quiet(library(lmerTest)); d <- load_hsb()
    clock(function(.) tail(coef(summary(lmer(cross, d)))[, "df"], 1), repeats) },
  "pbkrtest kenward_roger" = { quiet({library(lme4); library(pbkrtest)}); d <- load_hsb()
    fit <- lmer(cross, d)
    clock(function(.) { V <- vcov(fit); Va <- vcovAdj(fit); p <- length(fixef(fit))
      tail(vapply(seq_len(p), function(k) Lb_ddf(diag(p)[k, , drop = FALSE], V, Va), 0), 1) }, repeats) },
  "lavaan centering" = { quiet(library(lavaan)); d <- load_hsb()
    clock(function(.) { e <- parameterEstimates(sem(contextual, d, cluster = "school", fixed.x = FALSE))
      e$est[e$op == ":="] }, repeats) },
  "lavaan multigroup_wide" = { quiet(library(lavaan)); d <- multigroup_wide(load_multigroup())
    m <- wide_model((ncol(d) - 2) / 2)
    clock(function(.) { f <- sem(m, d, group = "group", meanstructure = TRUE)
      stopifnot(fitMeasures(f, "df") > 0); deviance_of(f) }, repeats) },
  "lavaan multigroup_two_level" = { quiet(library(lavaan)); d <- load_multigroup()
    m <- two_level_model(unique(d$group))
    clock(function(.) deviance_of(sem(m, d, cluster = "cluster", group = "group", h1 = FALSE,
                                      baseline = FALSE, test = "none")), repeats) },
  "lavaan multigroup_missing" = { quiet(library(lavaan)); d <- multigroup_wide(load_multigroup())
    m <- wide_model((ncol(d) - 2) / 2)
    clock(function(.) deviance_of(sem(m, d, group = "group", missing = "ml", meanstructure = TRUE,
                                      h1 = FALSE, baseline = FALSE, test = "none")), repeats) },
  "clubSandwich cr2" = { quiet({library(lme4); library(clubSandwich)}); d <- load_hsb()
    fit <- lmer(cross, d)
    clock(function(.) tail(coef_test(fit, vcov = "CR2", cluster = d$school)$df_Satt, 1), repeats) },
  "pbkrtest bootstrap_test" = { quiet({library(lme4); library(pbkrtest)}); d <- load_hsb()
    m1 <- lmer(slope, d, REML = FALSE); m0 <- lmer(no_slope, d, REML = FALSE)
    clock(function(.) PBmodcomp(m1, m0, nsim = 100, seed = 1)$test["PBtest", "p.value"], repeats) },
  "lme4 bootstrap_interval" = { library(lme4, quietly = TRUE); d <- load_hsb(); fit <- lmer(cross, d)
    clock(function(.) tail(quiet(confint(fit, method = "boot", nsim = 100, seed = 1, parm = "beta_",
                                         boot.type = "perc"))[, 2], 1), repeats) },
  "nlme variance_by_group" = { quiet(library(nlme)); d <- load_hsb()
    clock(function(.) -2 * as.numeric(logLik(lme(
      math ~ mean_ses * ses_within + catholic * ses_within, d, ~ 1 + ses_within | school,
      method = "ML", weights = varIdent(form = ~ 1 | catholic),
      control = lmeControl(opt = "optim", msMaxIter = 500, maxIter = 500)))), repeats) },
  "lme4 million" = { library(lme4, quietly = TRUE); d <- load_million()
    invisible(gc(reset = TRUE)); before <- sum(gc()[, 2])
    r <- clock(function(.) deviance_of(lmer(y ~ x + (1 + x | g), d,
                                       control = lmerControl(calc.derivs = FALSE))), 0)
    r$peak_allocated <- (sum(gc()[, 6]) - before) * 2^20
    r },
  "lme4 digits" = { library(lme4, quietly = TRUE); list(estimates = digits(by_lme4)) },
  "nlme digits" = list(estimates = digits(by_nlme)),
  "versions all" = list(R = paste(R.version$major, R.version$minor, sep = "."),
    packages = Filter(Negate(is.null), sapply(c("lme4", "lmerTest", "pbkrtest", "nlme", "lavaan",
                                            "clubSandwich", "jsonlite"),
      function(p) tryCatch(as.character(packageVersion(p)), error = function(e) NULL),
      simplify = FALSE))),
  stop("no such task: ", package, " ", task))
cat(jsonlite::toJSON(result, auto_unbox = TRUE, digits = NA, null = "null"), "\n")
