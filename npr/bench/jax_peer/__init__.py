"""The steps of JAX, imported in worker processes only."""
