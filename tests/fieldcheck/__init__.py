"""Tests of the command and of our packages' general names."""
