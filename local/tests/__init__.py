"""Tests of the parts of the tool that have rules of their own. `python3 -m local lint` runs them."""
