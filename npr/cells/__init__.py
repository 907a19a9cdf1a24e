"""Recurrent cells: sizes and choices, a forward pass and the backward pass beside it."""
