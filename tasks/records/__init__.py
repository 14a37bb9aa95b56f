"""The records that cross a step or a store, their canonical JSONL, and the error tree."""
