"""Files that people write, loaded strictly: every refusal names file, line and column."""
