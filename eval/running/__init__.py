"""From a plan to rows: units of work, processes, the store, the run's folder."""
