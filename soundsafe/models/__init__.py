"""Invertible networks on the pipeline's spectra, and the bound that keeps their layers in check."""

from soundsafe.models.inn import SIZES, INNWatermarker, Size, Spectrum
from soundsafe.models.spectral import (
    BoundedNorm,
    apply_spectral_normalization,
    matched_layers,
    normalised_layers,
)

__all__ = [
    "SIZES",
    "BoundedNorm",
    "INNWatermarker",
    "Size",
    "Spectrum",
    "apply_spectral_normalization",
    "matched_layers",
    "normalised_layers",
]
