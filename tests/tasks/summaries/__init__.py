"""Tests of asking for summaries and judging them."""
