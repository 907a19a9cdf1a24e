"""Tasks: what goes into a network, what should come out, and how the data is cut."""
