"""The history of runs: what was done by whom, and what came of it."""
