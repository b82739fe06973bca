"""Many files, many callers: batches, the registry, the HTTP service and its worker processes."""
