# What rgee does: earthengine-api through reticulate.
reticulate::use_python(file.path(Sys.getenv("EE_AUTH_CLIENTS"), "python/bin/python3"), required = TRUE)
ee <- reticulate::import("ee")
say <- function(...) cat(gsub("\n", " ", paste(...)), "\n", sep = "")
ready <- FALSE
input <- file("stdin", "r")
while (length(line <- readLines(input, 1)) > 0) {
  tryCatch({
    if (!ready) ee$Initialize(url = Sys.getenv("EARTH_ENGINE"))
    ready <- TRUE
    say("ok", ee$Number(as.integer(line))$add(1L)$getInfo())
  }, error = function(error) say("error", conditionMessage(error)))
}
