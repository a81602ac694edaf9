# Write the small classic data sets (sleepstudy, Dyestuff, Dyestuff2, Orthodont) as CSV.
# Sources are in data/README.md. Run: Rscript make_classic.R [folder of this script]
here <- commandArgs(trailingOnly = TRUE)
here <- if (length(here)) here[1] else "."
write_csv <- function(data, name) {
  write.csv(data, file.path(here, "data", paste0(name, ".csv")),
            row.names = FALSE, quote = FALSE, eol = "\n")
}
# write.csv prints 15 significant digits; every value must survive the way to text and back
survives <- function(x) !is.numeric(x) || identical(as.numeric(as.character(x)), as.numeric(x))
sets <- list(
  sleepstudy = lme4::sleepstudy,
  dyestuff = lme4::Dyestuff,
  dyestuff2 = lme4::Dyestuff2,
  orthodont = as.data.frame(nlme::Orthodont)[, c("Subject", "Sex", "age", "distance")]
)
for (name in names(sets)) {
  stopifnot(all(vapply(sets[[name]], survives, logical(1))))
  write_csv(sets[[name]], name)
}
