"""Hosts that are reached from the workers of a Dask cluster, which may be near them, on other machines.

Only what goes to workers, `task` and `connections`, is loaded there. Credentials are not sent: each worker has its own.
"""
