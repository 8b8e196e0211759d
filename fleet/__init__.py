"""Audit and harden the kernels of Kubernetes nodes over SSH."""

__version__ = "0.1.0.dev0"
