"""Training: the carrier's constants by direct search, and the invertible network by gradient."""

from soundsafe.training.carrier import Fit, Trial, fit_carrier
from soundsafe.training.checkpoint import apply_spectral_normalization
from soundsafe.training.config import TrainConfig, load_config
from soundsafe.training.losses import compute_slot_stability_loss
from soundsafe.training.step import compute_losses_and_metrics
from soundsafe.training.trainer import Diverged, train_network

__all__ = [
    "Diverged",
    "Fit",
    "TrainConfig",
    "Trial",
    "apply_spectral_normalization",
    "compute_losses_and_metrics",
    "compute_slot_stability_loss",
    "fit_carrier",
    "load_config",
    "train_network",
]
