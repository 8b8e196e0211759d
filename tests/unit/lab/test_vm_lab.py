"""What a lab of machines works out before it starts anything."""

import json
from pathlib import Path

import pytest

from fleet.lab.record import lab_paths
from fleet.lab.requirements import require
from fleet.lab.vm.inventory import known_hosts, write_inventory
from fleet.lab.vm.lifecycle import down, is_vm_lab, status, up
from fleet.lab.vm.model import Machine, VmRequest
from fleet.lab.vm.qemu import machine_command, overlay_command, trial_command
from fleet.lab.vm.record import VmRecord, load, machine_paths, record_path, save
from fleet.lab.vm.requirements import Host, missing_to_build, missing_to_run
from fleet.model.errors import LabError, UsageError
from fleet.runner.inventory import FleetInventory

EVERYTHING = frozenset({"qemu-system-x86_64", "qemu-img", "ssh", "mmdebstrap", "mke2fs", "dpkg-deb", "tar"})
FULL = Host(architecture="x86_64", is_root=True, tools=EVERYTHING)
RECORD = VmRecord(
    token="0123456789abcdef0123456789abcdef",
    release="bookworm",
    memory_mib=256,
    cores=1,
    accelerator="tcg",
    ports=(40001, 40002),
    image="/var/cache/image",
)


def command(tmp_path: Path, record: VmRecord = RECORD) -> list[str]:
    machine = record.machines[0]
    place = machine_paths(lab_paths(tmp_path, "default"), machine)
    return machine_command(record, machine, place, machine_id="a" * 32, authorized_key=tmp_path / "key.pub")


def test_a_host_with_everything_lacks_nothing() -> None:
    assert missing_to_run(FULL) == ()
    assert missing_to_build(FULL) == ()


def test_without_qemu_the_operator_is_told_what_to_install() -> None:
    bare = Host(architecture="x86_64", is_root=True, tools=frozenset({"ssh"}))
    with pytest.raises(
        LabError, match=r"lacks qemu-system-x86_64, qemu-img \(apt-get install qemu-system-x86 qemu-utils"
    ):
        require(missing_to_run(bare))


def test_a_user_needs_more_than_root_to_build_an_image() -> None:
    user = Host(architecture="x86_64", is_root=False, tools=EVERYTHING)
    assert {requirement.package for requirement in missing_to_build(user)} == {"util-linux", "uidmap"}


def test_another_architecture_is_refused_in_words() -> None:
    with pytest.raises(LabError, match="an x86_64 processor instead of aarch64"):
        require(missing_to_run(Host(architecture="aarch64", is_root=True, tools=EVERYTHING)))


def test_a_machine_reaches_no_network_and_is_reached_from_this_machine_only(tmp_path: Path) -> None:
    words = command(tmp_path)
    networks = [word for word in words if word.startswith("user,")]
    assert networks == ["user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:40001-:22"]


def test_what_a_machine_has_flushed_survives_a_power_cut(tmp_path: Path) -> None:
    (drive,) = (word for word in command(tmp_path) if word.startswith("if=none"))
    assert "cache=writeback" in drive.split(",")


def test_a_comma_in_a_path_does_not_end_the_path(tmp_path: Path) -> None:
    folder = tmp_path / "a,b"
    assert any(f"{tmp_path}/a,,b/lab/default/nodes/vm-001/disk.qcow2" in word for word in command(folder))


def test_no_machine_writes_to_the_image(tmp_path: Path) -> None:
    assert not any("disk.img" in word for word in command(tmp_path))
    assert overlay_command(Path("/i"), Path("/d"))[-2:] == ["/i/disk.img", "/d"]


def test_a_trial_of_kvm_ends_by_itself() -> None:
    words = trial_command("kvm", Path("/vmlinuz"))
    assert "-no-reboot" in words
    assert any("panic=-1" in word for word in words)


def test_a_record_is_read_as_it_was_saved(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "default")
    paths.root.mkdir(parents=True)
    save(paths, RECORD)
    assert load(paths) == RECORD
    assert is_vm_lab(tmp_path)


@pytest.mark.parametrize(
    "change", [{"schema": "fleet.vm-lab/9"}, {"token": "short"}, {"ports": None}, {"surplus": 1}, {"image": ...}]
)
def test_a_record_of_something_else_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    paths = lab_paths(tmp_path, "default")
    paths.root.mkdir(parents=True)
    save(paths, RECORD)
    fields = {**json.loads(record_path(paths).read_text()), **change}
    record_path(paths).write_text(json.dumps({key: value for key, value in fields.items() if value is not ...}))
    with pytest.raises(LabError, match=r"vm\.json"):
        load(paths)


def test_the_inventory_loads_and_names_each_machine_with_its_port(tmp_path: Path) -> None:
    paths = lab_paths(tmp_path, "default")
    paths.root.mkdir(parents=True)
    write_inventory(paths, RECORD.machines, "bookworm")
    hosts = FleetInventory(str(paths.inventory)).load().hosts
    assert {name: (host.hostname, host.port, host.username) for name, host in hosts.items()} == {
        "vm-001": ("127.0.0.1", 40001, "ops"),
        "vm-002": ("127.0.0.1", 40002, "ops"),
    }


def test_host_keys_are_known_by_port() -> None:
    assert known_hosts([(Machine(name="a", port=40001), "ssh-ed25519 AAAA")]) == "[127.0.0.1]:40001 ssh-ed25519 AAAA\n"


def test_a_lab_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    assert not down(tmp_path)
    with pytest.raises(LabError, match="no lab 'default' of machines"):
        status(tmp_path)


@pytest.mark.parametrize("machines", [0, 65])
def test_a_number_of_machines_that_will_not_do_is_refused(tmp_path: Path, machines: int) -> None:
    with pytest.raises(UsageError, match="1 to 64 machines"):
        up(VmRequest(machines=machines, state_dir=tmp_path))


def test_a_lab_that_is_there_is_not_built_over(tmp_path: Path) -> None:
    lab_paths(tmp_path, "default").root.mkdir(parents=True)
    with pytest.raises(LabError, match="is there already"):
        up(VmRequest(machines=1, state_dir=tmp_path))
