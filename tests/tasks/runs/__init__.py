"""Tests of publishing and checking runs."""
