"""A local AWS with this repository's real stack on it: behind `make run` and `make stop`, and under `make test`."""
