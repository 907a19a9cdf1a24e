"""One module per command, named after it; the first line of its docstring is the summary in the help."""
