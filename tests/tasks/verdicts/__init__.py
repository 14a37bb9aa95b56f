"""Tests of Stage-B's tickets."""
