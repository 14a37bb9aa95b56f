"""What any room needs and no reader of a record does: threads, queues, batches, progress, retries."""
