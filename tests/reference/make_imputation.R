# Missing values on two levels: draws the data set, Little's statistic on lavaan's ML moments, the
# posterior of pan with the priors of mlteach, imputations by pan and by mice's 2l.pan, and Rubin's
# rules by mice. Usage: Rscript make_imputation.R <folder of this script>

here <- commandArgs(trailingOnly = TRUE)[1]
source(file.path(here, "common.R"))
suppressMessages({library(lme4); library(mice)})

# ---------------------------------------------------------------------------------------- the data
# Three variables; x2 is missing more often where x1 is large, x3 at random, and one row in twenty
# has no value at all.
set.seed(20)
J <- 60
n <- sample(3:14, J, replace = TRUE)
cluster <- rep(seq_len(J), n)
N <- length(cluster)
root <- function(S) chol(matrix(S, 3, 3))
between <- c(.5, .2, .1, .2, .4, .1, .1, .1, .3)
within <- c(1, .5, .2, .5, 1.2, .3, .2, .3, .8)
u <- matrix(rnorm(3 * J), J) %*% root(between)
y <- u[cluster, ] + matrix(rnorm(3 * N), N) %*% root(within)
y <- sweep(y, 2, c(10, 2, -1), "+")
y[runif(N) < plogis(-1.2 + 1.5 * (y[, 1] - 10)), 2] <- NA
y[runif(N) < .15, 3] <- NA
y[runif(N) < .05, ] <- NA
data <- data.frame(cluster, x1 = round(y[, 1], 4), x2 = round(y[, 2], 4), x3 = round(y[, 3], 4))
path <- file.path(here, "data", "incomplete.csv")
write.csv(data, path, row.names = FALSE, quote = FALSE, na = "")
x <- as.matrix(data[, -1])
p <- ncol(x)

# ----------------------------------------------------------------------------------- Little's test
model <- "x1 ~~ x1 + x2 + x3\n x2 ~~ x2 + x3\n x3 ~~ x3\n x1 + x2 + x3 ~ 1"
fit <- suppressWarnings(lavaan::lavaan(model, data, missing = "ml", control = list(rel.tol = 1e-14)))
implied <- lavaan::lavInspect(fit, "implied")
mu <- as.numeric(implied$mean)
Sigma <- unclass(implied$cov)
pattern <- apply(!is.na(x), 1, paste, collapse = " ")
statistic <- 0
df <- -p
for (one in setdiff(unique(pattern), "FALSE FALSE FALSE")) {
  rows <- x[pattern == one, , drop = FALSE]
  seen <- !is.na(rows[1, ])
  away <- colMeans(rows[, seen, drop = FALSE]) - mu[seen]
  statistic <- statistic + nrow(rows) * sum(away * solve(Sigma[seen, seen, drop = FALSE], away))
  df <- df + sum(seen)
}
little <- list(mean = I(mu), cov = Sigma, statistic = statistic, df = df,
               p = pchisq(statistic, df, lower.tail = FALSE))

# --------------------------------------------------------------- pan: posterior and imputed values
W0 <- c(1, 1.2, .8)
B0 <- c(.5, .4, .3)
prior <- list(a = p, Binv = p * diag(W0), c = p, Dinv = p * diag(B0))
one <- matrix(1, N, 1)
start <- pan::pan(x, cluster, one, 1, 1, prior, seed = 1, iter = 1000)
iterations <- 200000
long <- pan::pan(x, cluster, one, 1, 1, prior, seed = 2, iter = iterations, start = start$last)
half <- lower.tri(diag(p), diag = TRUE)
draws <- cbind(t(long$beta[1, , ]), t(apply(long$sigma, 3, function(S) S[half])),
               t(apply(long$psi, 3, function(S) S[half])))
names <- c(outer(c("x1", "x2", "x3"), "mean.", function(a, b) paste0(b, a)))
for (level in c("within", "between")) {
  pairs <- which(half, arr.ind = TRUE)
  names <- c(names, sprintf("%s.x%d~~x%d", level, pairs[, 2], pairs[, 1]))
}
# Batches of 2,000 draws are as good as independent.
batch <- rep(seq_len(iterations / 2000), each = 2000)
error <- apply(draws, 2, function(d) sd(tapply(d, batch, mean)) / sqrt(max(batch)))
named <- function(values) setNames(as.list(values), names)
posterior <- list(mean = named(colMeans(draws)), sd = named(apply(draws, 2, sd)),
                  error = named(error), iterations = iterations)

# What is computed of each completed data set: means, SDs, ICCs, and a mixed model.
describe <- function(d) {
  variances <- lapply(c("x1", "x2", "x3"), function(v) {
    f <- lmer(as.formula(paste(v, "~ 1 + (1 | cluster)")), d, REML = FALSE)
    c(as.numeric(VarCorr(f)$cluster), sigma(f)^2)
  })
  f <- lmer(x2 ~ x1 + x3 + (1 | cluster), d, REML = FALSE)
  c(colMeans(d[, -1]), sapply(d[, -1], sd), sapply(variances, function(v) v[1] / sum(v)), fixef(f))
}
standard_errors <- function(d) {
  sqrt(diag(as.matrix(vcov(lmer(x2 ~ x1 + x3 + (1 | cluster), d, REML = FALSE)))))
}
quantities <- c(paste0("mean.x", 1:3), paste0("sd.x", 1:3), paste0("icc.x", 1:3),
                "Intercept", "x1", "x3")
summarised <- function(sets) {
  rows <- t(sapply(sets, describe))
  se <- t(sapply(sets, standard_errors))
  m <- nrow(rows)
  total <- colMeans(se^2) + (1 + 1 / m) * apply(rows[, 10:12], 2, var)
  list(m = m, mean = setNames(as.list(colMeans(rows)), quantities),
       sd = setNames(as.list(apply(rows, 2, sd)), quantities),
       pooled_se = setNames(as.list(sqrt(total)), quantities[10:12]))
}
by_pan <- list()
state <- start$last
for (k in 1:200) {
  more <- pan::pan(x, cluster, one, 1, 1, prior, seed = 100 + k, iter = 100, start = state)
  state <- more$last
  by_pan[[k]] <- data.frame(cluster, setNames(as.data.frame(more$y), c("x1", "x2", "x3")))
}

# ------------------------------------------------------------------------- mice: 2l.pan and pool()
predictors <- matrix(3, 4, 4, dimnames = list(names(data), names(data)))
predictors[, "cluster"] <- -2
diag(predictors) <- 0
predictors["cluster", ] <- 0
imputed <- mice(data, m = 50, maxit = 10, method = c("", "2l.pan", "2l.pan", "2l.pan"),
                predictorMatrix = predictors, seed = 3, paniter = 100, printFlag = FALSE)
by_mice <- complete(imputed, "all")

few <- complete(imputed, "all")[1:7]
fits <- lapply(few, function(d) lm(x2 ~ x1 + x3, d))
pooled <- function(dfcom) {
  s <- pool(as.mira(fits), dfcom = dfcom)$pooled
  lapply(split(s, seq_len(nrow(s))), function(r) {
    list(estimate = r$estimate, se = sqrt(r$t), df = r$df, riv = r$riv, fmi = r$fmi)
  })
}
terms <- c("Intercept", "x1", "x3")
rubin <- list(
  estimates = do.call(rbind, lapply(fits, coef)), se = do.call(rbind, lapply(fits, function(f) sqrt(diag(vcov(f))))),
  df_complete = fits[[1]]$df.residual,
  pooled = setNames(pooled(fits[[1]]$df.residual), terms),
  pooled_large = setNames(pooled(Inf), terms))

write_reference(file.path(here, "imputation.json"), "make_imputation.R",
                c("mice", "pan", "lme4", "lavaan"),
                list(little = little, prior = list(within = W0, between = B0), posterior = posterior,
                     pan = summarised(by_pan), mice = summarised(by_mice), rubin = rubin),
                data = "data/incomplete.csv", sha256 = digest::digest(file = path, algo = "sha256"))
