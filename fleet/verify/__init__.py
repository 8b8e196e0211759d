"""Verification as tests: testinfra on fleet's own connections, and one test for each control on each host."""
