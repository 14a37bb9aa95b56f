"""Tests of the deployment files and of the demonstration."""
