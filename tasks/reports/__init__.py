"""What is kept of a run beside its files: pages, history, events, metrics."""
