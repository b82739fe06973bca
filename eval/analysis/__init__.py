"""Functions of stored rows: summaries, statistics, comparison, gates, power, history."""
