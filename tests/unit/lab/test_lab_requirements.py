import pytest

from fleet.lab.requirements import Machine, missing_requirements, require
from fleet.model.errors import LabError

ALL_RIGHTS = (1 << 41) - 1
FULL = Machine(uid=0, capabilities=ALL_RIGHTS, filesystems=frozenset({"overlay", "tmpfs"}))


def test_a_machine_with_everything_lacks_nothing() -> None:
    assert missing_requirements(FULL) == ()
    require(())


def test_a_user_is_told_to_become_root() -> None:
    (requirement,) = missing_requirements(Machine(uid=1000, capabilities=0, filesystems=FULL.filesystems))
    assert requirement.name == "root"
    assert requirement.package is None


def test_root_of_an_ordinary_container_is_told_which_rights_it_lacks() -> None:
    docker_default = 0x00000000A80425FB
    (requirement,) = missing_requirements(Machine(uid=0, capabilities=docker_default, filesystems=FULL.filesystems))
    assert requirement.name == "CAP_NET_ADMIN, CAP_SYS_ADMIN"
    assert "--privileged" in requirement.cure


def test_all_that_is_missing_is_said_at_once_with_the_packages() -> None:
    bare = Machine(uid=0, capabilities=ALL_RIGHTS, filesystems=frozenset({"tmpfs"}), tools=frozenset({"mount", "bash"}))
    missing = missing_requirements(bare)
    assert {requirement.package for requirement in missing} >= {"openssh-server", "iproute2", "util-linux", None}
    with pytest.raises(LabError) as raised:
        require(missing)
    message = str(raised.value)
    assert "the overlay file system (use a kernel with overlayfs" in message
    assert "sshd, ssh, ip" in message
    assert "apt-get install iproute2 mount openssh-client openssh-server util-linux" in message
