"""The layer of one-second units: carriers in cells of the short-time spectrum, on a lattice."""
