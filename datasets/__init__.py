"""Datasets: any folder of audio files, and a small corpus that comes with the package."""

from soundsafe.datasets.dataset import BUNDLED, Clip, Dataset, load, names

__all__ = ["BUNDLED", "Clip", "Dataset", "load", "names"]
