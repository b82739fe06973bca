"""Marking and reading audio of any length and rate, block by block."""
