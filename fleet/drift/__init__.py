"""Drift: what has become of nodes since; and the history of runs that tells it."""
