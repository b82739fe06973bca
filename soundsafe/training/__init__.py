"""Fitting the carrier's constants to audio."""

from soundsafe.training.carrier import Fit, Trial, fit_carrier

__all__ = ["Fit", "Trial", "fit_carrier"]
