"""What both commands have in common: exit codes, one line for an error, JSON, signals, options, progress."""

from soundsafe.console.bar import progress, tracked
from soundsafe.console.output import LOG, finite, one_line, print_json, say, tell, write
from soundsafe.console.program import INTERRUPTED, Command, Terminated, run

__all__ = [
    "INTERRUPTED", "LOG", "Command", "Terminated", "finite", "one_line", "print_json", "progress", "run",
    "say", "tell", "tracked", "write",
]  # fmt: skip
