"""Datasets: any folder of audio files, and a small corpus that comes with the package."""

from soundsafe.datasets.dataset import BUNDLED, load, names
from soundsafe.files.audio_folder import Clip, Dataset

__all__ = ["BUNDLED", "Clip", "Dataset", "load", "names"]
