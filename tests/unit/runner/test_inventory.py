from pathlib import Path
from textwrap import dedent

import pytest

from fleet.model.errors import DocumentError
from fleet.runner.inventory import FleetInventory, host_views


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(dedent(text).lstrip("\n"))
    return directory


def test_hosts_take_address_data_and_groups_from_all_levels(tmp_path: Path) -> None:
    write(
        tmp_path,
        hosts="""
            db-1: {hostname: 192.0.2.1, groups: [db], data: {rack: a1}}
            bare:
        """,
        groups="""
            db: {groups: [prod], username: ops, data: {role: db}}
            prod: {data: {role: any, stage: prod}}
        """,
        defaults="{username: root, port: 2222, data: {site: x}}",
    )
    inventory = FleetInventory(str(tmp_path)).load()
    views = {view.name: view for view in host_views(inventory)}
    assert views["db-1"].groups == ("db", "prod")
    assert views["db-1"].data == {"rack": "a1", "role": "db", "stage": "prod", "site": "x"}
    assert (inventory.hosts["db-1"].username, inventory.hosts["db-1"].port) == ("ops", 2222)
    assert (views["bare"].address, inventory.hosts["bare"].username) == ("bare", "root")


def test_groups_and_defaults_may_be_absent(tmp_path: Path) -> None:
    write(tmp_path, hosts="a: {}")
    assert [view.name for view in host_views(FleetInventory(str(tmp_path)).load())] == ["a"]


def test_relative_paths_of_extras_start_at_the_inventory_and_home_is_that_of_whoever_connects(tmp_path: Path) -> None:
    write(
        tmp_path,
        hosts="a: {connection_options: {fleet: {extras: {identity_files: [keys/id, ~/.ssh/id], become: sudo}}}}",
    )
    options = FleetInventory(str(tmp_path)).load().hosts["a"].get_connection_parameters("fleet")
    assert options.extras == {
        "identity_files": [str(tmp_path / "keys/id"), "~/.ssh/id"],
        "become": "sudo",
    }


@pytest.mark.parametrize(("written", "path"), [("none", "none"), ("./none", "none"), ("keys/config", "keys/config")])
def test_no_ssh_config_is_said_as_to_openssh(tmp_path: Path, written: str, path: str) -> None:
    write(tmp_path, hosts=f"a: {{connection_options: {{fleet: {{extras: {{ssh_config: {written}}}}}}}}}")
    options = FleetInventory(str(tmp_path)).load().hosts["a"].get_connection_parameters("fleet")
    assert options.extras == {"ssh_config": "none" if written == "none" else str(tmp_path / path)}


def test_a_host_without_an_address_is_reached_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, hosts="alone:\nelsewhere: {connection_options: {fleet: {hostname: 192.0.2.7}}}")
    loaded = FleetInventory(str(tmp_path)).load()
    assert loaded.hosts["alone"].get_connection_parameters("fleet").hostname == "alone"
    assert [view.address for view in host_views(loaded)] == ["alone", "192.0.2.7"]


@pytest.mark.parametrize("hostname", ["192.0.2.1", "2001:db8::1", "fe80::1%eth0", "db-1.example.org", "alias_of_ssh"])
def test_addresses_names_and_aliases_are_hostnames(hostname: str, tmp_path: Path) -> None:
    write(tmp_path, hosts=f"a: {{hostname: '{hostname}'}}")
    assert [view.address for view in host_views(FleetInventory(str(tmp_path)).load())] == [hostname]


def test_extras_are_joined_field_by_field_the_nearest_level_first(tmp_path: Path) -> None:
    write(
        tmp_path,
        hosts="a: {groups: [g], connection_options: {fleet: {port: 24, extras: {proxy_jump: [bastion]}}}}\nb:",
        groups="g: {connection_options: {fleet: {extras: {become: sudo, proxy_jump: [other]}}}}",
        defaults="connection_options: {fleet: {extras: {become: none, identity_files: [/id]}}}",
    )
    hosts = FleetInventory(str(tmp_path)).load().hosts
    near, far = (hosts[name].get_connection_parameters("fleet") for name in ("a", "b"))
    assert near.extras == {"proxy_jump": ("bastion",), "become": "sudo", "identity_files": ["/id"]}
    assert near.port == 24
    assert far.extras == {"become": "none", "identity_files": ["/id"]}


def test_scalars_are_what_was_written(tmp_path: Path) -> None:
    write(tmp_path, hosts='a: {password: "0123", data: {answer: yes, mode: 0644, window: 10:30}}')
    host = FleetInventory(str(tmp_path)).load().hosts["a"]
    assert host.password == "0123"
    assert host.data == {"answer": "yes", "mode": "0644", "window": "10:30"}


def test_options_of_other_nornir_plugins_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, hosts="a: {connection_options: {netmiko: {port: 23, extras: {fast_cli: true}}}}")
    options = FleetInventory(str(tmp_path)).load().hosts["a"].get_connection_parameters("netmiko")
    assert (options.port, options.extras) == (23, {"fast_cli": True})


@pytest.mark.parametrize(
    ("name", "text", "position", "message"),
    [
        ("hosts", "a: {hostnam: x}", "hosts.yaml:1:5", "unknown key 'hostnam' (did you mean 'hostname'?)"),
        ("hosts", "a: {}\na: {}", "hosts.yaml:2:1", "a"),
        ("hosts", "a: {port: 70000}", "hosts.yaml:1:11", "65535"),
        ("hosts", "a: {port: '22'}", "hosts.yaml:1:11", "whole number"),
        ("hosts", "a: {connection_options: {fleet: {extras: {connect_rate: 0}}}}", "hosts.yaml:1:57", "0.1"),
        ("hosts", "a: {connection_options: {fleet: {extras: {jump_logins: 0}}}}", "hosts.yaml:1:56", "1"),
        ("hosts", "a: {groups: [dbx]}", "hosts.yaml:1:14", "no group 'dbx' (did you mean 'db'?)"),
        ("hosts", "a: {groups: db}", "hosts.yaml:1:13", "list"),
        ("hosts", "a b: {}", "hosts.yaml:1:1", "'a b' is no name"),
        ("hosts", "-o: {}", "hosts.yaml:1:1", "'-o' is no name"),
        ("hosts", "a: {hostname: 192.0.2.1:22}", "hosts.yaml:1:15", "a port stands in 'port'"),
        ("hosts", "a: {hostname: ssh://192.0.2.1}", "hosts.yaml:1:15", "no host name"),
        ("hosts", "a: {hostname: ops@192.0.2.1}", "hosts.yaml:1:15", "no host name"),
        ("hosts", "a: {hostname: '192.0.2.1 '}", "hosts.yaml:1:15", "no host name"),
        ("hosts", "a: {hostname: ''}", "hosts.yaml:1:15", "no host name"),
        ("hosts", "a: {hostname: -oProxyCommand=x}", "hosts.yaml:1:15", "no host name"),
        ("hosts", "a: {connection_options: {fleet: {extras: {identity_files: ['']}}}}", "hosts.yaml:1:60", "be empty"),
        ("hosts", "a: {username: ''}", "hosts.yaml:1:15", "must not be empty"),
        ("hosts", "a: {connection_options: {fleet: {extras: {becom: sudo}}}}", "hosts.yaml:1:43", "become"),
        ("hosts", "- a", "hosts.yaml:1:1", "mapping"),
        ("groups", "db: {groups: [db]}", "groups.yaml:1:14", "cannot contain itself"),
        ("groups", "db: {groups: [x]}\nx: {groups: [db]}", "groups.yaml:1:14", "'db' in 'x' in 'db'"),
        ("groups", "db: {}\nx: {groups: [none]}", "groups.yaml:2:14", "no group 'none'"),
        ("defaults", "user: root", "defaults.yaml:1:1", "unknown key 'user'"),
    ],
)
def test_mistakes_are_refused_where_they_stand(
    tmp_path: Path, name: str, text: str, position: str, message: str
) -> None:
    write(tmp_path, **{"hosts": "a: {}", "groups": "db: {}", name: text})
    with pytest.raises(DocumentError) as refusal:
        FleetInventory(str(tmp_path)).load()
    assert position in str(refusal.value)
    assert message in str(refusal.value)


def test_the_home_of_nobody_is_a_missing_directory() -> None:
    with pytest.raises(DocumentError, match="no such inventory directory"):
        FleetInventory("~nobody-of-this-name/inventory").load()


def test_a_missing_directory_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="fleet init"):
        FleetInventory(str(tmp_path / "none")).load()
