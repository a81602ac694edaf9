# Posterior of the inner-London Model 2 by brms -> brms.json: location-scale with correlated effects,
# the priors of mlteach's WeakPrior. brms models log SD, which is half the log variance.
# Usage: Rscript make_brms.R <folder> [output]. Takes some minutes, most of them for the compiler.
# Needs brms and rstan with a C++ compiler; where Boost or Eigen are not found inside the R packages
# BH and RcppEigen, their folders are looked for below.

suppressMessages({
  library(brms)
  library(rstan)
  library(jsonlite)
})
args <- commandArgs(trailingOnly = TRUE)
here <- args[1]
look <- function(...) Filter(file.exists, c(...))[1]
rstan_options(
  boost_lib = look(file.path(system.file(package = "BH"), "include"), "/usr/include/boost/.."),
  eigen_lib = look(file.path(system.file(package = "RcppEigen"), "include"), "/usr/include/eigen3")
)
data <- read.csv(file.path(here, "..", "..", "data", "london.csv"))
size <- sd(data$score16) * sqrt(1 - 1 / nrow(data))
prior <- c(
  set_prior("normal(0, 10)", class = "Intercept"),
  set_prior("normal(0, 5)", class = "Intercept", dpar = "sigma"),
  set_prior(sprintf("normal(0, %.10f)", size), class = "sd"),
  set_prior("normal(0, 0.5)", class = "sd", dpar = "sigma"),
  set_prior("lkj(2)", class = "cor")
)
formula <- bf(score16 ~ 1 + (1 | p | school), sigma ~ 1 + (1 | p | school))
started <- proc.time()[["elapsed"]]
empty <- brm(formula, data, prior = prior, chains = 0, silent = 2, refresh = 0)
compiled <- proc.time()[["elapsed"]]
fit <- update(
  empty, recompile = FALSE, chains = 4, iter = 2000, cores = 2, seed = 1, silent = 2, refresh = 0
)
sampled <- proc.time()[["elapsed"]]
draws <- as.array(fit)
take <- function(name) draws[, , name]
tau <- take("sd_school__Intercept")
# sigma is a standard deviation: its log doubles to a log variance.
quantities <- list(
  "beta[Intercept]" = take("b_Intercept"),
  "alpha[Intercept]" = 2 * take("b_sigma_Intercept"),
  "var(u)" = tau^2,
  "var(v)" = (2 * take("sd_school__sigma_Intercept"))^2,
  "corr(u, v)" = take("cor_school__Intercept__sigma_Intercept")
)
rows <- lapply(quantities, function(x) {
  ess <- rstan::ess_bulk(x)
  list(mean = mean(x), sd = sd(x), mcse = sd(x) / sqrt(ess), ess = ess, rhat = rstan::Rhat(x))
})
out <- list(
  versions = list(R = as.character(getRversion()), brms = as.character(packageVersion("brms")),
                  rstan = as.character(packageVersion("rstan"))),
  draws = length(tau), chains = ncol(tau),
  seconds_compiling = compiled - started, seconds_sampling = sampled - compiled,
  quantities = rows
)
target <- if (length(args) > 1) args[2] else file.path(here, "brms.json")
write_json(out, target, auto_unbox = TRUE, digits = 10, pretty = TRUE)
