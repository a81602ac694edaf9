# Shared by the make_*.R scripts: reading cases and data, names as formulaic spells them, and a
# JSON writer that keeps all 17 significant digits (jsonlite stops at 15).

read_cases <- function(here) {
  jsonlite::fromJSON(file.path(here, "cases.json"), simplifyVector = FALSE)$cases
}

read_data <- function(here, case) {
  path <- file.path(here, case$data)
  data <- read.csv(path, stringsAsFactors = TRUE)
  for (name in names(case$derive)) data[[name]] <- eval(str2lang(case$derive[[name]]), data)
  data[[case$cluster]] <- factor(data[[case$cluster]])
  list(frame = data, sha256 = digest::digest(file = path, algo = "sha256"))
}

# "(Intercept)" -> "Intercept"; "sectorPublic:x" -> "sector[T.Public]:x"
python_names <- function(names, data) {
  part <- function(p) {
    if (p == "(Intercept)") return("Intercept")
    for (f in names(data)[vapply(data, is.factor, logical(1))]) {
      level <- substring(p, nchar(f) + 1)
      if (startsWith(p, f) && level %in% levels(data[[f]])) return(sprintf("%s[T.%s]", f, level))
    }
    p
  }
  vapply(strsplit(names, ":", fixed = TRUE),
         function(parts) paste(vapply(parts, part, ""), collapse = ":"), "")
}

to_json <- function(x, indent = "") {
  inner <- paste0(indent, " ")
  if (is.null(x)) return("null")
  if (is.matrix(x)) x <- lapply(seq_len(nrow(x)), function(i) unname(x[i, ]))
  if (is.list(x)) {
    items <- vapply(x, to_json, "", indent = inner)
    if (!is.null(names(x))) {
      items <- sprintf("%s: %s", vapply(names(x), encodeString, "", quote = "\""), items)
    }
    ends <- if (is.null(names(x))) c("[", "]") else c("{", "}")
    if (!length(items)) return(paste0(ends, collapse = ""))
    return(paste0(ends[1], "\n", paste0(inner, items, collapse = ",\n"), "\n", indent, ends[2]))
  }
  if (!is.null(names(x)) && length(x)) return(to_json(as.list(x), indent))
  text <- if (is.logical(x)) ifelse(x, "true", "false")
  else if (is.numeric(x)) sprintf("%.17g", x)
  else vapply(as.character(x), function(s) as.character(jsonlite::toJSON(s, auto_unbox = TRUE)), "")
  text[is.na(x) | (is.numeric(x) & !is.finite(x))] <- "null"
  if (length(text) == 1 && !inherits(x, "AsIs")) text else paste0("[", paste(text, collapse = ", "), "]")
}

write_reference <- function(path, script, packages, cases, ...) {
  versions <- vapply(packages, function(p) as.character(packageVersion(p)), "")
  about <- list(script = script, r = paste(R.version$major, R.version$minor, sep = "."),
                packages = as.list(versions), date = format(Sys.Date()), ...)
  writeLines(to_json(list(about = about, cases = cases)), path)
}
