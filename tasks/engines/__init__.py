"""Requests in, completions out. Knows no group, no store and no grammar."""
