"""What is used of testinfra, which makes its modules known at run time only."""

from typing import Protocol


class AskedFile(Protocol):
    """What is used of testinfra's module ``file``."""

    exists: bool
    is_file: bool
    is_directory: bool
    is_symlink: bool
    linked_to: str
    content: bytes
    content_string: str

    def listdir(self) -> list[str]: ...

    def contains(self, pattern: str) -> bool:
        """Search it as grep does."""
        ...


class AskedSystem(Protocol):
    """What is used of testinfra's module ``system_info``."""

    distribution: str | None
    release: str | None
    arch: str


class AskedUser(Protocol):
    """What is used of testinfra's module ``user``."""

    uid: int


class AskedSocket(Protocol):
    """What is used of testinfra's module ``socket``."""

    def get_listening_sockets(self) -> list[str]: ...


class AskedProcess(Protocol):
    """What is used of a process of testinfra."""

    pid: int
    comm: object


class AskedProcesses(Protocol):
    """What is used of testinfra's module ``process``."""

    def filter(self) -> list[AskedProcess]: ...


class Asked(Protocol):
    """What is used of a host of testinfra."""

    system_info: AskedSystem
    socket: AskedSocket
    process: AskedProcesses

    def user(self) -> AskedUser: ...

    def sysctl(self, name: str) -> int | str: ...

    def file(self, path: str) -> AskedFile: ...

    def check_output(self, command: str) -> str: ...
