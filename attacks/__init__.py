"""Attacks on marked audio: a registry, one file for each family, and suites as data."""

from soundsafe.attacks import (
    aac,
    bit_depth,
    channels,
    controls,
    denoise,
    dynamics,
    editing,
    filtering,
    gain,
    limiter,
    mp3,
    noise,
    opus,
    rerecord,
    resampling,
    reverb,
    rubberband,
    smoothing,
    speed,
    stirmark,
    tempo_pitch,
    vorbis,
)
from soundsafe.attacks.registry import JOIN, Attack, all_attacks, attack, get
from soundsafe.attacks.suite_files import CONTROLS, Suite, suite, suites

__all__ = ["CONTROLS", "JOIN", "Attack", "Suite", "all_attacks", "attack", "get", "suite", "suites"]

# Importing a family registers its attacks.
FAMILIES = (
    controls,
    gain,
    mp3,
    aac,
    opus,
    vorbis,
    resampling,
    bit_depth,
    limiter,
    dynamics,
    filtering,
    noise,
    smoothing,
    denoise,
    reverb,
    channels,
    editing,
    speed,
    tempo_pitch,
    rubberband,
    rerecord,
    stirmark,
)
