"""The speed figures of the project: `nox -s bench` runs them all."""
