# Prediction errors of rows of known and of new clusters -> prediction.json. lme4 gives the variances;
# Henderson's mixed-model equations, solved densely here, give the joint covariance matrix of
# (beta - beta_hat, u - u_hat), so that beta's uncertainty is in it. The conditional part is checked
# against lme4's own condVar on the way. Reliabilities are averages of the textbook's formula.
# Run: Rscript make_prediction.R [folder of this script]
suppressPackageStartupMessages(library(lme4))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10))
hsb <- list(data = "../../data/hsb.csv", cluster = "school",
            derive = list(ses_within = "ses - mean_ses"))
london <- list(data = "../../data/london.csv", cluster = "school", derive = list())
sleep <- list(data = "data/sleepstudy.csv", cluster = "Subject", derive = list())

predict_rows <- function(id, source, formula, rows, reml) {
  message(id)
  read <- read_data(here, source)
  fit <- lmer(as.formula(formula), read$frame, REML = reml, control = tight)
  X <- getME(fit, "X"); Z <- as.matrix(getME(fit, "Z")); s2 <- sigma(fit)^2
  tau <- unclass(VarCorr(fit)[[1]]); attributes(tau) <- attributes(tau)["dim"]
  q <- nrow(tau); J <- ncol(Z) / q; p <- ncol(X)
  G_inv <- kronecker(diag(J), solve(tau))
  lhs <- rbind(cbind(crossprod(X), crossprod(X, Z)),
               cbind(crossprod(Z, X), crossprod(Z) + s2 * G_inv))
  C <- s2 * solve(lhs)
  # condVar is the inverse of the lower right block of the equations
  conditional <- s2 * solve(crossprod(Z) + s2 * G_inv)
  lme4_var <- attr(ranef(fit, condVar = TRUE)[[1]], "postVar")
  stopifnot(max(abs(conditional[1:q, 1:q] - lme4_var[, , 1])) < 1e-6 * max(lme4_var))
  XZ <- cbind(X, Z)[rows, , drop = FALSE]
  known <- sqrt(rowSums((XZ %*% C) * XZ))
  Zq <- as.matrix(t(getME(fit, "mmList")[[1]]))[, rows, drop = FALSE]
  new <- sqrt(rowSums((X[rows, , drop = FALSE] %*% as.matrix(vcov(fit))) * X[rows, , drop = FALSE]) +
                colSums((tau %*% Zq) * Zq))
  own <- vapply(split(seq_len(nrow(X)), read$frame[[source$cluster]]), function(at) {
    ZZ <- crossprod(as.matrix(getME(fit, "mmList")[[1]])[at, , drop = FALSE])
    v <- if (qr(ZZ)$rank < q) rep(NA, q) else s2 * diag(solve(ZZ))
    diag(tau) / (diag(tau) + v)
  }, numeric(q))
  own <- matrix(own, nrow = q)
  list(id = id, data = source$data, sha256 = read$sha256, derive = source$derive, formula = formula,
       cluster = source$cluster, reml = reml, rows = rows - 1,
       fitted = unname(fitted(fit)[rows]), fixed = unname(drop(X[rows, , drop = FALSE] %*% fixef(fit))),
       se_known = unname(known), se_new = unname(new), sigma2 = s2,
       reliability = I(rowMeans(own, na.rm = TRUE)))
}

cases <- list(
  predict_rows("hsb_empty", hsb, "math ~ 1 + (1 | school)", c(1, 60, 500, 7000), TRUE),
  predict_rows("hsb_slopes", hsb, "math ~ ses_within + mean_ses + (1 + ses_within | school)",
               c(1, 60, 500, 7000), TRUE),
  predict_rows("hsb_slopes_ml", hsb, "math ~ ses_within + (1 + ses_within | school)",
               c(1, 60, 500, 7000), FALSE),
  predict_rows("london", london, "score16 ~ score11 + girl + (1 + score11 | school)",
               c(3, 200, 1500, 4000), TRUE),
  predict_rows("sleepstudy", sleep, "Reaction ~ Days + (1 + Days | Subject)",
               c(1, 10, 95, 180), TRUE)
)
write_reference(file.path(here, "prediction.json"), "make_prediction.R", "lme4", cases)
