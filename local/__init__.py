"""A local AWS with this repository's real stack on it: `make run`, `make stop`, and the journeys of `make test`."""
