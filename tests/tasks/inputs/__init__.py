"""Tests of finding and verifying groups."""
