"""Layers without memory: linear map, batch normalisation, dropout."""
