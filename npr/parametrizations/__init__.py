"""Maps from free parameters to the recurrent matrix of a dense recurrence; computed once per update."""
