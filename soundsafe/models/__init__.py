"""Invertible networks on the pipeline's spectra, and the bound that keeps their layers in check."""

from soundsafe.models.inn import SIZES, INNWatermarker, Size, Spectrum
from soundsafe.models.spectral import BoundedNorm, bound_norms, matched_layers
from soundsafe.models.steps import MAP_SIZES, StepMap, read_map, write_map

__all__ = [
    "MAP_SIZES",
    "SIZES",
    "BoundedNorm",
    "INNWatermarker",
    "Size",
    "Spectrum",
    "StepMap",
    "bound_norms",
    "matched_layers",
    "read_map",
    "write_map",
]
