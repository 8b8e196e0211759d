"""Playbooks, profiles and controls: load strictly, evaluate to findings."""
