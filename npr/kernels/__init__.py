"""Every loop over time and over parameters, compiled by Numba."""
