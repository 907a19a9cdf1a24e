"""The steps of npr."""
