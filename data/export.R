# Writes the R data sets that data/build.py needs, unchanged, as CSV files into a folder.
# Usage: Rscript data/export.R FOLDER
# Numbers are printed with 17 significant digits, which identify a double exactly.

folder <- commandArgs(trailingOnly = TRUE)[1]
wanted <- list(nlme = c("MathAchieve", "MathAchSchool", "bdf"), mlmRev = c("Hsb82", "Exam"),
               plm = "Males")

as_text <- function(x) if (is.numeric(x)) sprintf("%.17g", x) else as.character(x)

export <- function(name, package) {
  place <- new.env()
  data(list = name, package = package, envir = place)
  table <- as.data.frame(lapply(as.data.frame(place[[name]]), as_text))
  write.csv(table, file.path(folder, paste0(name, ".csv")), row.names = FALSE,
            eol = "\n", fileEncoding = "UTF-8")
}

for (package in names(wanted)) for (name in wanted[[package]]) export(name, package)

facts <- function(package) unlist(packageDescription(package, fields = c("Package", "Version", "License")))
write.csv(t(sapply(names(wanted), facts)), file.path(folder, "packages.csv"), row.names = FALSE,
          quote = FALSE, eol = "\n")
