"""What a lab writes: the layers of its nodes, keys, inventory."""

import io
from ipaddress import IPv4Address
from pathlib import Path

import paramiko
import yaml

from fleet.lab.inventory import known_hosts, write_inventory
from fleet.lab.keys import new_key_pair
from fleet.lab.model import LabNode
from fleet.lab.planted import Planted
from fleet.lab.record import lab_paths
from fleet.lab.rootfs import Layer, separate_mounts
from fleet.runner.inventory import FleetInventory

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw
24 22 8:2 / /var rw,relatime shared:3 - ext4 /dev/sda2 rw
25 22 8:3 / /usr rw,relatime shared:4 - ext4 /dev/sda3 rw
26 25 8:4 / /usr/lib rw,relatime shared:5 - ext4 /dev/sda4 rw
27 22 8:1 /x /etc/passwd rw,relatime - ext4 /dev/sda1 rw
28 22 0:44 / /home rw,relatime - ext4 /dev/sda5 rw
29 22 0:45 / /usrx rw,relatime - ext4 /dev/sda5 rw
30 22 0:46 / /etc/with\\040blank rw,relatime - ext4 /dev/sda5 rw
31 24 0:47 / /var/lib rw,relatime - ext4 /dev/sda5 rw
"""


def test_system_folders_on_mounts_of_their_own_are_found_outer_first() -> None:
    assert separate_mounts(MOUNTINFO) == ("/usr", "/usr/lib", "/var")


def test_a_machine_on_one_file_system_needs_no_further_overlay() -> None:
    assert separate_mounts(MOUNTINFO.splitlines()[0]) == ()


def test_a_file_goes_to_the_folder_of_the_innermost_mount_that_shows_it(tmp_path: Path) -> None:
    layer = Layer({mount: tmp_path / name for mount, name in (("/", "0"), ("/usr", "1"), ("/usr/lib", "2"))})
    for path in ("/usr/lib/sysctl.d/a.conf", "/usr/bin/x", "/usrx", "/usr/libx"):
        layer.write(path, path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"2/sysctl.d/a.conf", "1/bin/x", "0/usrx", "1/libx"}


def test_others_can_read_the_keys_and_each_is_new() -> None:
    pair = new_key_pair()
    key = paramiko.Ed25519Key.from_private_key(io.StringIO(pair.private))
    assert pair.public == f"ssh-ed25519 {key.get_base64()}"
    assert new_key_pair() != pair
    assert pair.private not in repr(pair)


def test_known_hosts_are_read_by_address() -> None:
    pair = new_key_pair()
    line = known_hosts([("198.18.0.2", pair.public)])
    entry = paramiko.hostkeys.HostKeyEntry.from_line(line.strip())
    assert entry is not None
    assert entry.hostnames == ["198.18.0.2"]


def test_the_strict_loader_accepts_the_inventory(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "one")
    paths.root.mkdir(parents=True)
    node = LabNode(name="db-001", address=IPv4Address("198.18.0.2"), groups=("db",), planted=(Planted.GLOB,))
    write_inventory(paths, [node])

    inventory = FleetInventory(str(paths.inventory)).load()
    host = inventory.hosts["db-001"]
    assert (host.hostname, host.port, host.username) == ("198.18.0.2", 22, "root")
    assert [group.name for group in host.groups] == ["db"]
    assert host["planted"] == ["glob"]
    extras = host.get_connection_parameters("fleet").extras
    assert extras == {"identity_files": [str(paths.identity)], "known_hosts": [str(paths.known_hosts)]}
    assert all(Path(path).is_absolute() for paths in extras.values() for path in paths)
    assert yaml.safe_load((paths.inventory / "groups.yaml").read_text()) == {"db": {}}
