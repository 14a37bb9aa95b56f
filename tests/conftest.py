"""Loads the fixtures that every folder of tests shares. Knows no test."""

pytest_plugins = ["tests.servers", "tests.demo", "tests.deploy", "tests.merging"]
