"""Networks: recurrent layers wired together, with a readout; each is registered under its paper's name."""
