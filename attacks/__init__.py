"""Attacks on marked audio: a registry, one file for each family, and suites as data."""

from soundsafe.attacks import channels, controls, editing, gain, limiter, mp3
from soundsafe.attacks.registry import JOIN, Attack, all_attacks, attack, get
from soundsafe.attacks.suite_files import CONTROLS, Suite, suite, suites

__all__ = ["CONTROLS", "JOIN", "Attack", "Suite", "all_attacks", "attack", "get", "suite", "suites"]

# Importing a family registers its attacks.
FAMILIES = (controls, gain, mp3, limiter, channels, editing)
