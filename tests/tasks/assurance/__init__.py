"""Tests of bounds and metrics."""
