"""What is kept of a run beside its files: history, events, metrics."""
