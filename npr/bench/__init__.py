"""npr against PyTorch and JAX on fixed cases: agreement first, then the clock, beside the limits of the machine."""
