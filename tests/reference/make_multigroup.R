# Multigroup two-level models as factor models of wide data, by lavaan -> multigroup.json.
# Run: Rscript make_multigroup.R [folder of this script]
#
# One row a cluster, one column for each variable of each member (x1_1, x2_1, x1_2, ...). A factor
# for each variable, loadings 1, is its part between clusters; the residuals, which covary between
# the variables of one member, are the part within. Equal labels make the members exchangeable and
# parameters equal across groups. Unbalanced clusters and missing values: missing = "ml".
#
# lavaan stops where its objective is flat to 1e-10. Newton steps on its own gradient, with a
# Hessian by Richardson's extrapolation of that gradient, take the last digits. "se" is from that
# Hessian (observed information), "se_expected" from lavaan's expected information at the same
# estimates.
# Parameters are named as in mlteach: within.x1~~x2[A], without a bracket where equal in all groups;
# with variables x1_1, x1_2 where each position has its own.
#
# long: the same model and data by lavaan's own two-level estimator, as it comes. Its gradient counts
# the size of each group twice, so it stops short where a parameter is equal across groups of
# different sizes (lav_model_gradient with group.weight = FALSE is the slope of its log-likelihood).
suppressPackageStartupMessages(library(lavaan))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
SE_AGREE <- 2e-4 # relative: lavaan's are those at its own, unpolished estimates
MEASURES <- c("chisq", "df", "pvalue", "baseline.chisq", "baseline.df", "baseline.pvalue", "cfi",
              "tli", "logl", "unrestricted.logl", "aic", "bic", "ntotal", "rmsea",
              "rmsea.ci.lower", "rmsea.ci.upper", "rmsea.pvalue", "rmr", "srmr", "srmr_bentler",
              "srmr_mplus", "crmr")

# ---- what is fitted -----------------------------------------------------------------------------
# within, between, means: "free" or "equal" across groups; equal: single parameters that are equal;
# position: the column that says which member a row is
case <- function(id, data, variables, groups, within = "free", between = "equal", means = "free",
                 equal = character(), position = NULL, long = FALSE, implied = FALSE) {
  as.list(environment())
}

four_models <- function(prefix, ...) {
  levels <- expand.grid(between = c("equal", "free"), within = c("free", "equal"),
                        stringsAsFactors = FALSE)
  lapply(seq_len(4), function(k) {
    within <- levels$within[k]
    between <- levels$between[k]
    case(sprintf("%s_within_%s_between_%s", prefix, within, between), ...,
         within = within, between = between)
  })
}

balanced <- function(p, K) {
  id <- sprintf("balanced_p%d_K%d", p, K)
  x <- paste0("x", seq_len(p))
  if (K == 1) return(list(case(id, "multigroup", x, "A")))
  groups <- LETTERS[seq_len(K)]
  c(four_models(id, "multigroup", x, groups, long = p <= 2 && K == 2),
    list(case(paste0(id, "_means_equal"), "multigroup", x, groups, means = "equal")))
}

AB <- c("A", "B")
wanted <- c(
  unlist(lapply(1:4, function(p) unlist(lapply(1:4, function(K) balanced(p, K)), FALSE)), FALSE),
  list(
    case("all_equal", "multigroup", c("x1", "x2"), AB, "equal", "equal", "equal", long = TRUE),
    case("one_covariance_between", "multigroup", c("x1", "x2"), AB, between = "free",
         equal = "between.x1~~x2", implied = TRUE),
    case("one_variance_within", "multigroup", c("x1", "x2", "x3"), c("A", "B", "C"),
         equal = "within.x1~~x1"),
    case("one_mean", "multigroup", c("x1", "x2"), AB, equal = "mean.x2"),
    case("three_parameters", "multigroup", c("x1", "x2", "x3"), c("A", "B", "C"), between = "free",
         equal = c("within.x2~~x2", "between.x1~~x3", "mean.x3"))),
  four_models("repelled", "multigroup_repelled", c("x1", "x2"), AB),
  four_models("unbalanced_p2", "multigroup_unbalanced", c("x1", "x2"), AB, long = TRUE),
  list(
    case("unbalanced_p1", "multigroup_unbalanced", "x1", AB),
    case("unbalanced_p1_one_group", "multigroup_unbalanced", "x2", "A"),
    case("unbalanced_p3", "multigroup_unbalanced", c("x1", "x2", "x3"), AB),
    case("unbalanced_p3_equal", "multigroup_unbalanced", c("x1", "x2", "x3"), AB, "equal",
         "equal", "equal")),
  four_models("missing_p2", "multigroup_unbalanced", c("y1", "y2"), AB, long = TRUE),
  list(
    case("missing_p1", "multigroup_unbalanced", "y1", AB),
    case("missing_p2_one_group", "multigroup_unbalanced", c("y1", "y2"), "B"),
    case("missing_p2_one_covariance", "multigroup_unbalanced", c("y1", "y2"), AB,
         between = "free", equal = "between.y1~~y2"),
    case("missing_p3", "multigroup_unbalanced", c("y1", "y2", "y3"), AB),
    case("missing_p3_means_equal", "multigroup_unbalanced", c("y1", "y2", "y3"), AB,
         between = "free", means = "equal")),
  list(
    case("positions_p1_K1", "multigroup_positions", "x1", "A", position = "occasion"),
    case("positions_p2_K1", "multigroup_positions", c("x1", "x2"), "B", position = "occasion"),
    case("positions_p1_K2", "multigroup_positions", "x2", AB, position = "occasion"),
    case("positions_p2_K2_means_equal", "multigroup_positions", c("x1", "x2"), AB,
         means = "equal", position = "occasion")),
  four_models("positions_p2_K2", "multigroup_positions", c("x1", "x2"), AB, position = "occasion"),
  list(
    case("pre_post_p1_K1", "multigroup_positions", "x1", "A", position = "occasion"),
    case("pre_post_p1_K2", "multigroup_positions", "x1", AB, position = "occasion"),
    case("pre_post_p2_K2", "multigroup_positions", c("x1", "x2"), AB, position = "occasion",
         implied = TRUE),
    case("positions_missing_p1", "multigroup_positions", "y1", AB, position = "occasion"),
    case("positions_missing_p2", "multigroup_positions", c("y1", "y2"), AB, position = "occasion")))

# ---- data ---------------------------------------------------------------------------------------
# Rows of the case: its groups, and only pre and post where its name says so
rows_of <- function(case) {
  path <- file.path(here, "data", paste0(case$data, ".csv"))
  data <- read.csv(path)
  data <- data[data$group %in% case$groups, ]
  if (startsWith(case$id, "pre_post")) data <- data[data$occasion != "follow", ]
  list(frame = data, sha256 = digest::digest(file = path, algo = "sha256"))
}

# One row a cluster; members in the order of the rows
to_wide <- function(data, variables) {
  data$member <- ave(data$cluster, data$cluster, FUN = seq_along)
  wide <- reshape(data[c("group", "cluster", "member", variables)], direction = "wide",
                  idvar = c("group", "cluster"), timevar = "member", sep = "_")
  nothing <- rowSums(!is.na(wide[-(1:2)])) == 0
  wide[!nothing, ]
}

# ---- the model as text --------------------------------------------------------------------------
# One parameter: its name without a group, and whether it differs between groups
parameters_of <- function(case, n) {
  x <- case$variables
  pairs <- which(upper.tri(diag(length(x)), diag = TRUE), arr.ind = TRUE)
  member <- if (is.null(case$position)) "" else paste0("_", seq_len(n))
  both <- function(level, end) {
    sprintf("%s.%s%s~~%s%s", level, x[pairs[, 1]], end, x[pairs[, 2]], end)
  }
  list(within = unlist(lapply(member, both, level = "within")),
       between = both("between", ""),
       mean = unlist(lapply(member, function(end) paste0("mean.", x, end))))
}

# "within.x1~~x2" -> c("within.x1~~x2[A]", "within.x1~~x2[B]")
in_groups <- function(case, name, level) {
  free <- case[[c(within = "within", between = "between", mean = "means")[[level]]]] == "free"
  if (length(case$groups) == 1) return(sprintf("%s[%s]", name, case$groups))
  if (free && !(name %in% case$equal)) sprintf("%s[%s]", name, case$groups)
  else rep(name, length(case$groups))
}

# lavaan wants labels of letters and digits: q1, q2, ...; labels is the list of the names
labeller <- function() {
  known <- character()
  list(get = function(names) {
         known <<- union(known, names)
         sprintf("c(%s)", paste0("q", match(names, known), collapse = ", "))
       },
       known = function() known)
}

wide_model <- function(case, n, labels) {
  x <- case$variables
  columns <- function(v) paste0(v, "_", seq_len(n))
  parts <- parameters_of(case, n)
  label <- function(name, level) labels$get(in_groups(case, name, level))
  between <- vapply(parts$between, function(name) {
    ends <- strsplit(sub("between.", "", name, fixed = TRUE), "~~", fixed = TRUE)[[1]]
    sprintf("f_%s ~~ %s * f_%s", ends[1], label(name, "between"), ends[2])
  }, "")
  within <- unlist(lapply(parts$within, function(name) {
    ends <- strsplit(sub("within.", "", name, fixed = TRUE), "~~", fixed = TRUE)[[1]]
    member <- if (is.null(case$position)) paste0("_", seq_len(n)) else ""
    sprintf("%s%s ~~ %s * %s%s", ends[1], member, label(name, "within"), ends[2], member)
  }))
  means <- vapply(parts$mean, function(name) {
    of <- sub("mean.", if (is.null(case$position)) "f_" else "", name, fixed = TRUE)
    sprintf("%s ~ %s * 1", of, label(name, "mean"))
  }, "")
  zero <- if (is.null(case$position)) paste(unlist(lapply(x, columns)), "~ 0 * 1")
          else sprintf("f_%s ~ 0 * 1", x)
  loadings <- vapply(x, function(v) {
    sprintf("f_%s =~ %s", v, paste("1 *", columns(v), collapse = " + "))
  }, "")
  unname(c(loadings, between, within, means, zero))
}

# lavaan 0.6-14 wants both levels written out for each group
long_model <- function(case, labels) {
  parts <- parameters_of(case, 1)
  lines <- function(level, g) vapply(parts[[level]], function(name) {
    label <- labels$get(in_groups(case, name, level)[g])
    of <- strsplit(sub("^[a-z]*[.]", "", name), "~~", fixed = TRUE)[[1]]
    if (level == "mean") sprintf("%s ~ %s * 1", of, label)
    else sprintf("%s ~~ %s * %s", of[1], label, of[2])
  }, "")
  unname(unlist(lapply(seq_along(case$groups), function(g) {
    c(paste("group:", case$groups[g]), "level: 1", lines("within", g), "level: 2",
      lines("between", g), lines("mean", g))
  })))
}

# ---- fitting ------------------------------------------------------------------------------------
# The parameters that are free once equal labels are taken as one, and the matrix to lavaan's
reduced <- function(fit, labels) {
  table <- parTable(fit)
  table <- table[table$free > 0, ]
  table <- table[order(table$free), ]
  names <- labels$known()[as.integer(sub("^q", "", table$label))]
  stopifnot(!anyNA(names))
  unique_names <- labels$known()
  K <- 1 * outer(names, unique_names, "==")
  list(K = K, names = unique_names, first = match(unique_names, names))
}

# With missing values lavaan's own search does not weigh the groups: the pieces are weighted already
slope <- function(z, fit, K) {
  model <- lavaan:::lav_model_set_parameters(fit@Model, drop(K %*% z))
  g <- lavaan:::lav_model_gradient(model, lavsamplestats = fit@SampleStats, lavdata = fit@Data,
                                   lavcache = fit@Cache,
                                   group.weight = !fit@SampleStats@missing.flag)
  drop(crossprod(K, as.numeric(g)))
}

hessian <- function(z, fit, K) {
  H <- numDeriv::jacobian(slope, z, fit = fit, K = K)
  (H + t(H)) / 2
}

# Newton's steps with the Hessian of the first two kept, since the start is almost there
polish <- function(fit, parts) {
  z <- lavaan:::lav_model_get_parameters(fit@Model)[parts$first]
  scale <- NULL
  for (k in 1:12) {
    if (k <= 2) H <- hessian(z, fit, parts$K)
    step <- solve(H, slope(z, fit, parts$K))
    z <- z - step
    scale <- 1 / sqrt(diag(H))
    if (k > 1 && max(abs(step) / scale) < 1e-11) break
  }
  stopifnot(k < 12)
  H <- hessian(z, fit, parts$K)
  stopifnot(eigen(H, TRUE, TRUE)$values > 0)
  V <- solve(H) / lavInspect(fit, "ntotal")
  moved <- abs(lavaan:::lav_model_get_parameters(fit@Model)[parts$first] - z) / sqrt(diag(V))
  list(z = setNames(z, parts$names), V = V, moved = max(moved))
}

# lavaan's fit at given parameters: they are its starting values, and it does not search
at <- function(z, fit, parts, arguments) {
  start <- parTable(fit)
  free <- start$free > 0
  start$est[free] <- start$ustart[free] <- drop(parts$K %*% z)[start$free[free]]
  arguments$model <- start
  last <- suppressWarnings(do.call("sem", c(arguments, list(start = start, optim.method = "none",
                                                       check.start = FALSE))))
  stopifnot(abs(lavaan:::lav_model_get_parameters(last@Model)[parts$first] - z) < 1e-12)
  last
}

# What lavaan complains of, beside the value
with_warnings <- function(call) {
  said <- character()
  value <- withCallingHandlers(call, warning = function(w) {
    said <<- c(said, trimws(gsub("\\s+", " ", sub("lavaan WARNING:", "", conditionMessage(w)))))
    invokeRestart("muffleWarning")
  })
  list(value = value, warnings = unique(said))
}

numbers <- function(values, names) setNames(as.numeric(values), names)

wide <- function(case, data) {
  frame <- to_wide(data, case$variables)
  n <- (ncol(frame) - 2) / length(case$variables)
  complete <- !anyNA(frame)
  labels <- labeller()
  model <- wide_model(case, n, labels)
  arguments <- list(model = model, data = frame, meanstructure = TRUE, information = "observed",
                    missing = if (complete) "listwise" else "ml")
  if (length(case$groups) > 1) arguments$group <- "group"
  if (!complete) arguments <- c(arguments, list(h1 = FALSE, baseline = FALSE, test = "none"))
  fit <- suppressWarnings(do.call("sem", arguments))
  stopifnot(lavInspect(fit, "converged"))
  parts <- reduced(fit, labels)
  best <- polish(fit, parts)
  se <- sqrt(diag(best$V))
  theirs <- sqrt(diag(vcov(fit)))[parts$first]
  message(sprintf("  %d parameters; estimates moved by %.1e of a standard error, these by %.1e",
                  length(se), best$moved, max(abs(theirs / se - 1))))
  stopifnot(abs(theirs / se - 1) < SE_AGREE)
  if (complete) arguments$information <- "expected"
  last <- at(best$z, fit, parts, arguments)
  c(list(n = n, complete = complete, clusters = nrow(frame), npar = length(se),
         logl = as.numeric(logLik(last)), estimate = best$z, se = numbers(se, parts$names)),
    if (complete) list(
      se_expected = numbers(sqrt(diag(vcov(last)))[parts$first], parts$names),
      measures = numbers(fitMeasures(last)[MEASURES], MEASURES)),
    if (isTRUE(case$implied)) list(columns = I(lavNames(last)), implied = lapply(
      fitted(last), function(part) list(mean = I(as.numeric(part$mean)), cov = unclass(part$cov)))))
}

long <- function(case, data) {
  labels <- labeller()
  model <- long_model(case, labels)
  missing <- if (anyNA(data[case$variables])) "ml" else "listwise"
  fit <- with_warnings(tryCatch(
    sem(model, data, cluster = "cluster", group = "group", missing = missing, baseline = FALSE,
        h1 = FALSE, se = "none", test = "none"),
    error = function(e) conditionMessage(e)))
  if (is.character(fit$value)) {
    return(list(converged = FALSE, warnings = I(c(fit$warnings, fit$value))))
  }
  list(converged = lavInspect(fit$value, "converged"), logl = as.numeric(logLik(fit$value)),
       warnings = I(fit$warnings))
}

one <- function(case) {
  message(case$id)
  read <- rows_of(case)
  about <- case[c("id", "within", "between", "means")]
  about$data <- paste0("data/", case$data, ".csv")
  about$variables <- I(case$variables)
  about$groups <- I(case$groups)
  about$equal <- I(case$equal)
  c(about, list(position = case$position, sha256 = read$sha256, wide = wide(case, read$frame)),
    if (case$long) list(long = long(case, read$frame)))
}

results <- lapply(wanted, one)
write_reference(file.path(here, "multigroup.json"), "make_multigroup.R", c("lavaan", "numDeriv"),
                results)
