"""Campaigns that try to break tinyconv: `python -m tests.trust.NAME` runs the long form of each."""
