"""Tests of what is kept of a run beside its files."""
