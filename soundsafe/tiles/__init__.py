"""The layer that survives time stretching: bits in the energies of tiles of the time-frequency plane."""
