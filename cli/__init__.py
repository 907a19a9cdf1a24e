"""The `npr` command line: a thin layer over the library that parses, prints and sets exit codes."""
