"""Invertible networks on the pipeline's spectra, and the bound that keeps their layers in check."""

from soundsafe.models.inn import SIZES, INNWatermarker, Size, Spectrum
from soundsafe.models.spectral import BoundedNorm, bound_norms, matched_layers

__all__ = ["SIZES", "BoundedNorm", "INNWatermarker", "Size", "Spectrum", "bound_norms", "matched_layers"]
