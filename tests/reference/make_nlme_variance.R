# nlme's fits with fixed variance functions -> nlme_variance.json: varIdent (a variance a group) and
# varExp (log-linear in a covariate), by ML and REML. Run: Rscript make_nlme_variance.R [folder of this script]
suppressPackageStartupMessages(library(nlme))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))

models <- list(
  list(id = "hsb_sector", data = "../../data/hsb.csv", cluster = "school",
       fixed = "math ~ catholic", random = "~ 1", variance = "~ catholic",
       weights = "varIdent(form = ~ 1 | catholic)"),
  list(id = "hsb_slope_exponential", data = "../../data/hsb.csv", cluster = "school",
       fixed = "math ~ ses + mean_ses", random = "~ 1 + ses", variance = "~ ses",
       weights = "varExp(form = ~ ses)"),
  list(id = "london_girl", data = "../../data/london.csv", cluster = "school",
       fixed = "score16 ~ score11 + girl", random = "~ 1 + score11", variance = "~ girl",
       weights = "varIdent(form = ~ 1 | girl)"),
  list(id = "london_exponential", data = "../../data/london.csv", cluster = "school",
       fixed = "score16 ~ score11 + girl", random = "~ 1", variance = "~ score11",
       weights = "varExp(form = ~ score11)"),
  list(id = "london_both", data = "../../data/london.csv", cluster = "school",
       fixed = "score16 ~ score11 + girl", random = "~ 1 + score11", variance = "~ girl + score11",
       weights = "varComb(varIdent(form = ~ 1 | girl), varExp(form = ~ score11))"))

fit_one <- function(case, method) {
  data <- read.csv(file.path(here, case$data))
  tight <- lmeControl(tolerance = 1e-12, msTol = 1e-14, msMaxIter = 1000, maxIter = 1000,
                      opt = "nlminb", msMaxEval = 2000)
  fit <- eval(bquote(lme(.(as.formula(case$fixed)), data,
                         .(as.formula(paste(case$random, "|", case$cluster))), method = .(method),
                         weights = .(parse(text = case$weights)[[1]]), control = tight)))
  # log variance at the intercept and the change with each predictor
  struct <- coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE)
  table <- summary(fit)$tTable
  list(id = paste(case$id, tolower(method), sep = "_"), reml = method == "REML", data = case$data,
       sha256 = digest::digest(file = file.path(here, case$data), algo = "sha256"),
       cluster = case$cluster, formula = paste0(case$fixed, " + (", sub("~ ", "", case$random), " | ",
                                                case$cluster, ")"),
       variance = case$variance, weights = case$weights, llf = as.numeric(logLik(fit)),
       estimate = setNames(table[, "Value"], rownames(table)),
       sigma = fit$sigma, struct = as.list(struct),
       tau = unname(unclass(getVarCov(fit))[, , drop = FALSE]))
}

results <- unlist(lapply(c("ML", "REML"), function(method) {
  lapply(models, function(case) { message(case$id, " ", method); fit_one(case, method) })
}), recursive = FALSE)
write_reference(file.path(here, "nlme_variance.json"), "make_nlme_variance.R", c("nlme"), results)
