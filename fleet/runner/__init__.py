"""Inventory to hosts, and jobs run on hosts; the only room that imports nornir."""
