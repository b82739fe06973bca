"""The command `soundsafe-eval`, one file for each of its larger parts."""
