"""Tests of tasks/dense."""
