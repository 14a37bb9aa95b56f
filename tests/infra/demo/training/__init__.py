"""Tests of what made the demo's checkpoint."""
