# Cluster-robust standard errors of multigroup two-level models, by lavaan -> multigroup_robust.json.
# Run: Rscript make_multigroup_robust.R [folder of this script]
#
# The wide format has one row a cluster, so lavaan's scores of a row are those of a whole cluster, and
# estimator = "MLR" is the sandwich of clusters. Equal labels make members exchangeable. The search
# goes on until its objective is flat to rounding.
suppressPackageStartupMessages(library(lavaan))
args <- commandArgs(trailingOnly = TRUE)
here <- if (length(args)) args[1] else "."
source(file.path(here, "common.R"))
TIGHT <- list(rel.tol = 1e-15, x.tol = 1e-12, iter.max = 10000, eval.max = 10000)

case <- function(id, data, variables, groups = c("A", "B"), between = "equal", position = FALSE) {
  as.list(environment())
}

wanted <- list(
  case("balanced", "multigroup", c("x1", "x2")),
  case("balanced_between_free", "multigroup", c("x1", "x2"), between = "free"),
  case("three_groups", "multigroup", c("x1", "x2", "x3"), c("A", "B", "C")),
  case("one_group", "multigroup", "x1", "A"),
  case("unbalanced", "multigroup_unbalanced", c("x1", "x2")),
  case("missing", "multigroup_unbalanced", c("y1", "y2"), between = "free"),
  case("positions", "multigroup_positions", c("x1", "x2"), position = TRUE))

to_wide <- function(data, variables) {
  data$member <- ave(data$cluster, data$cluster, FUN = seq_along)
  wide <- reshape(data[c("group", "cluster", "member", variables)], direction = "wide",
                  idvar = c("group", "cluster"), timevar = "member", sep = "_")
  wide[rowSums(!is.na(wide[-(1:2)])) > 0, ]
}

# q1, q2, ... are labels; known are the names as mlteach writes them
labeller <- function(groups) {
  known <- character()
  list(get = function(name, free) {
         names <- if (free || length(groups) == 1) sprintf("%s[%s]", name, groups)
                  else rep(name, length(groups))
         known <<- union(known, names)
         sprintf("c(%s)", paste0("q", match(names, known), collapse = ", "))
       },
       known = function() known)
}

model_of <- function(case, n, labels) {
  x <- case$variables
  pairs <- which(upper.tri(diag(length(x)), diag = TRUE), arr.ind = TRUE)
  lines <- vapply(x, function(v) {
    sprintf("f_%s =~ %s", v, paste0("1 * ", v, "_", seq_len(n), collapse = " + "))
  }, "")
  for (k in seq_len(nrow(pairs))) {
    a <- x[pairs[k, 1]]
    b <- x[pairs[k, 2]]
    lines <- c(lines, sprintf("f_%s ~~ %s * f_%s", a, labels$get(
      sprintf("between.%s~~%s", a, b), case$between == "free"), b))
    for (i in seq_len(n)) {
      at <- if (case$position) paste0("_", i) else ""
      lines <- c(lines, sprintf("%s_%d ~~ %s * %s_%d", a, i, labels$get(
        sprintf("within.%s%s~~%s%s", a, at, b, at), TRUE), b, i))
    }
  }
  for (v in x) {
    for (i in seq_len(n)) {
      label <- labels$get(paste0("mean.", v, "_", i), TRUE)
      lines <- c(lines, sprintf("%s_%d ~ %s * 1", v, i, if (case$position) label else "0"))
    }
    label <- labels$get(paste0("mean.", v), TRUE)
    lines <- c(lines, sprintf("f_%s ~ %s * 1", v, if (case$position) "0" else label))
  }
  lines
}

one <- function(case) {
  message(case$id)
  path <- file.path(here, "data", paste0(case$data, ".csv"))
  data <- read.csv(path)
  frame <- to_wide(data[data$group %in% case$groups, ], case$variables)
  n <- (ncol(frame) - 2) / length(case$variables)
  labels <- labeller(case$groups)
  call <- list(model = model_of(case, n, labels), data = frame, meanstructure = TRUE,
               estimator = "MLR", missing = if (anyNA(frame)) "ml" else "listwise",
               baseline = FALSE, h1 = FALSE, test = "none")
  if (length(case$groups) > 1) call$group <- "group"
  first <- suppressWarnings(do.call("sem", call))
  stopifnot(lavInspect(first, "converged"))
  # nlminb calls it "false convergence" when rounding keeps it from going on: that is what we want.
  fit <- suppressWarnings(do.call("sem", c(call, list(
    start = parTable(first), control = TIGHT, optim.force.converged = TRUE))))
  table <- parTable(fit)
  table <- table[table$free > 0 & !duplicated(table$label), ]
  names <- labels$known()[as.integer(sub("^q", "", table$label))]
  list(id = case$id, data = paste0("data/", case$data, ".csv"), variables = I(case$variables),
       groups = I(case$groups), between = case$between, position = case$position,
       sha256 = digest::digest(file = path, algo = "sha256"), clusters = nrow(frame),
       logl = as.numeric(logLik(fit)),
       estimate = setNames(table$est, names), se = setNames(table$se, names))
}

write_reference(file.path(here, "multigroup_robust.json"), "make_multigroup_robust.R", "lavaan",
                lapply(wanted, one))
