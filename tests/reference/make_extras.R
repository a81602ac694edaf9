# Other R packages on the same models -> extras.json: cluster-robust standard errors (clubSandwich:
# CR0 and CR2 with Satterthwaite df), R-squared and ICC (performance, Nakagawa's definitions), and
# nlme's own fit. Run: Rscript make_extras.R [folder of this script]
suppressPackageStartupMessages({library(lme4); library(nlme); library(clubSandwich)})
lmer <- lme4::lmer
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
# model x data pairs with one random part that nlme can write as ~ ... | cluster
wanted <- c("hsb_empty", "hsb_level2", "hsb_slope", "hsb_cross_level", "london_slope",
            "language_intercept", "language_cross_level", "sleepstudy", "orthodont", "five_clusters")

# SE, t and df of one sandwich
robust <- function(vcov_type, fit, cluster, data) {
  V <- vcovCR(fit, cluster = cluster, type = vcov_type)
  test <- as.data.frame(coef_test(fit, vcov = V, test = "Satterthwaite"))
  df <- test[[grep("^df", names(test))[1]]]
  names <- python_names(rownames(test), data)
  list(se = setNames(test$SE, names), df_satterthwaite = setNames(df, names))
}

explained <- function(fit) {
  r2 <- performance::r2_nakagawa(fit)
  icc <- performance::icc(fit)
  list(r2_marginal = unname(as.numeric(r2$R2_marginal)),
       r2_conditional = unname(as.numeric(r2$R2_conditional)),
       icc_adjusted = icc$ICC_adjusted, icc_unadjusted = icc$ICC_unadjusted)
}

# The two halves of a formula with one random term, as nlme wants them.
nlme_formulas <- function(case) {
  formula <- as.formula(case$formula)
  bar <- lme4::findbars(formula)[[1]]
  list(fixed = lme4::nobars(formula), random = as.formula(paste("~", deparse1(bar))))
}

by_nlme <- function(case, data) {
  f <- nlme_formulas(case)
  tight <- lmeControl(tolerance = 1e-10, msTol = 1e-12, msMaxIter = 500, maxIter = 500,
                      opt = "nlminb")
  fit <- eval(bquote(nlme::lme(.(f$fixed), data, .(f$random), method = "REML", control = tight)))
  names <- python_names(names(fixef(fit)), data)
  t_table <- summary(fit)$tTable
  list(deviance = -2 * as.numeric(logLik(fit)), estimate = setNames(t_table[, "Value"], names),
       se = setNames(t_table[, "Std.Error"], names), df_inner_outer = setNames(t_table[, "DF"], names),
       tau = unname(unclass(getVarCov(fit))[, , drop = FALSE]), sigma2 = fit$sigma^2)
}

extras <- function(case) {
  read <- read_data(here, case)
  data <- read$frame
  tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9))
  fit <- lmer(as.formula(case$formula), data, REML = TRUE, control = tight)
  cluster <- data[[case$cluster]]
  list(id = case$id, data = case$data, sha256 = read$sha256, derive = case$derive,
       formula = case$formula, cluster = case$cluster, reml = TRUE,
       robust = list(CR0 = robust("CR0", fit, cluster, data), CR2 = robust("CR2", fit, cluster, data)),
       explained = explained(fit), nlme = by_nlme(case, data))
}

cases <- Filter(function(case) case$id %in% wanted, read_cases(here))
results <- lapply(cases, function(case) { message(case$id); extras(case) })
packages <- c("lme4", "nlme", "clubSandwich", "performance", "insight")
write_reference(file.path(here, "extras.json"), "make_extras.R", packages, results)
