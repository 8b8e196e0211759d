"""Connections to nodes, and the only room that touches the network."""
