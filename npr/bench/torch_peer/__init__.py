"""The steps of PyTorch, imported in worker processes only."""
