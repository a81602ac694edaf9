# The R tabs of book/crosswalk.md, run as they stand there -> crosswalk.json.
# Run: Rscript make_crosswalk.R [folder of this script]
# The tab of brms is run by make_brms.R, with its priors.
suppressPackageStartupMessages({
  library(jsonlite)
  library(nlme)
})
args <- commandArgs(trailingOnly = TRUE)
here <- normalizePath(if (length(args)) args[1] else ".")
source(file.path(here, "common.R"))
data_folder <- normalizePath(file.path(here, "..", "..", "data"))

# ---- the table that the page writes ---------------------------------------------------------------
hsb <- read.csv(file.path(data_folder, "hsb.csv"))
hsb$ses_between <- ave(hsb$ses, hsb$school) - mean(hsb$ses)
hsb$ses_within <- hsb$ses - ave(hsb$ses, hsb$school)
work <- tempfile()
dir.create(work)
write.csv(hsb, file.path(work, "hsb.csv"), row.names = FALSE)
invisible(file.copy(file.path(data_folder, "pisa_style.csv"), work))
setwd(work)

# ---- the tabs ------------------------------------------------------------------------------------
page <- readLines(file.path(here, "..", "..", "book", "crosswalk.md"))
label <- NA
blocks <- list()
inside <- FALSE
for (line in page) {
  if (grepl("^\\(cw-.*\\)=$", line)) label <- sub("^\\(cw-(.*)\\)=$", "\\1", line)
  if (line == "```") inside <- FALSE
  if (inside) blocks[[label]] <- c(blocks[[label]], line)
  if (line == "```r") inside <- TRUE
}
blocks[["location-scale"]] <- NULL

# ---- what is read off the object named fit ---------------------------------------------------------
lmer_values <- function(fit) {
  v <- as.data.frame(VarCorr(fit), order = "lower.tri")
  name <- ifelse(is.na(v$var1), "Residual", ifelse(is.na(v$var2), v$var1, paste(v$var1, v$var2, sep = ":")))
  list(coefficients = fixef(fit), se = sqrt(diag(as.matrix(vcov(fit)))),
       variances = setNames(v$vcov, gsub("(Intercept)", "Intercept", name, fixed = TRUE)))
}
test_values <- function(fit) {
  table <- summary(fit, ddf = "Kenward-Roger")$coefficients
  c(lmer_values(fit), list(df = table[, "df"], p = table[, "Pr(>|t|)"], kr_se = table[, "Std. Error"]))
}
nlme_values <- function(fit) {
  ratio <- coef(fit$modelStruct$varStruct, unconstrained = FALSE)
  first <- names(coef(fit$modelStruct$varStruct, unconstrained = FALSE, allCoef = TRUE))[1]
  list(coefficients = fixef(fit), loglik = as.numeric(logLik(fit)),
       first = first, log_variance = unname(c(2 * log(fit$sigma), 2 * log(ratio))))
}
lavaan_values <- function(fit) {
  p <- subset(lavaan::parameterEstimates(fit), op == "~~")
  list(loglik = as.numeric(lavaan::fitMeasures(fit, "logl")),
       parameters = list(group = p$group, level = p$level, lhs = p$lhs, rhs = p$rhs, est = p$est, se = p$se))
}
values <- function(fit) {
  if (inherits(fit, "lmerModLmerTest")) test_values(fit)
  else if (inherits(fit, "merMod")) lmer_values(fit)
  else if (inherits(fit, "lme")) nlme_values(fit)
  else lavaan_values(fit)
}
named <- function(x) if (is.numeric(x) && !is.null(names(x))) setNames(x, gsub("(Intercept)", "Intercept", names(x), fixed = TRUE)) else x

environment <- new.env()
cases <- lapply(names(blocks), function(label) {
  for (expression in parse(text = blocks[[label]])) suppressMessages(value <- eval(expression, environment))
  last <- if (label == "within-between") list(contextual = sum(c(0, -1, 1) * lme4::fixef(environment$fit)), contextual_se = unname(value)) else list()
  c(list(id = label, code = paste(blocks[[label]], collapse = "\n")),
    lapply(values(environment$fit), named), last)
})
sums <- function(file) digest::digest(file = file.path(data_folder, file), algo = "sha256")
write_reference(file.path(here, "crosswalk.json"), "make_crosswalk.R",
                c("lme4", "lmerTest", "pbkrtest", "nlme", "lavaan"), cases,
                hsb = sums("hsb.csv"), pisa_style = sums("pisa_style.csv"))
