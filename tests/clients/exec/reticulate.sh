# R with reticulate, as Debian has it.
exec Rscript "$(dirname "$0")/reticulate.R"
