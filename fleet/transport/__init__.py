"""Reaching hosts: over SSH, on this machine, or pretended for tests."""

from fleet.transport.command import MAX_OUTPUT, Command, Connection, Transport
from fleet.transport.fake import FakeTransport
from fleet.transport.local import LocalConnection, LocalTransport
from fleet.transport.ssh import SshTransport

__all__ = [
    "MAX_OUTPUT",
    "Command",
    "Connection",
    "FakeTransport",
    "LocalConnection",
    "LocalTransport",
    "SshTransport",
    "Transport",
]
