# R with gargle, as Debian has it.
exec Rscript "$(dirname "$0")/gargle.R"
