"""pytest, to be run within a test."""

pytest_plugins = ["pytester"]
