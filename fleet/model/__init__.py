"""Frozen types and errors that every room shares; imports nothing of the others."""
