"""Datasets: any folder of audio files, corpora as people have them, a public one that anybody can make, and a
small one that comes with the package.
"""

from soundsafe.datasets.dataset import BUNDLED, load, names, with_groups
from soundsafe.datasets.layouts import LAYOUTS, Layout
from soundsafe.datasets.recipe import recipes
from soundsafe.files.audio_folder import Clip, Dataset

__all__ = ["BUNDLED", "LAYOUTS", "Clip", "Dataset", "Layout", "load", "names", "recipes", "with_groups"]
