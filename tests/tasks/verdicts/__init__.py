"""Tests of Stage-B's judging."""
