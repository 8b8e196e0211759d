"""How a plan is brought onto a fleet: batches, gates, an undo that is armed until all is well."""
