"""Tests of the stores and of the Prefect blocks that configure them."""
