"""A local fleet of real nodes, for the demo and the tests."""
