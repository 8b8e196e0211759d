"""What testinfra reads of this machine by itself, beside what the probe has read."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import cast

import pytest
from support.facts import node_facts
from support.verify import WEB
from testinfra.host import Host

from fleet.facts import ProbeRequest
from fleet.kernel.catalogue import KEYS
from fleet.model.facts import Listener, NodeFacts, NodeFile, NodeProcess, Unavailable
from fleet.policy import load_playbook
from fleet.runner.audit import read_facts
from fleet.transport import LocalConnection
from fleet.verify.asked import Asked
from fleet.verify.backend import ConnectionBackend
from fleet.verify.independent import WRITERS, read_independently
from fleet.verify.reading import with_file

CONTROLS = load_playbook(Path(__file__).parents[3] / "playbooks" / "stop-conntrack-resets.yaml").controls
RANGE = "net.ipv4.ip_local_port_range"
LISTENER = Listener(protocol="tcp", address="127.0.0.1", port=1)


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A process of a name that the probe looks for."""
    program = tmp_path_factory.mktemp("bin") / "containerd"
    shutil.copy(shutil.which("sleep") or "", program)
    with subprocess.Popen([program, "600"]) as process:
        yield process.pid
        process.kill()


@pytest.fixture(scope="module")
def host() -> Asked:
    backend = ConnectionBackend(WEB.name, LocalConnection())
    made = Host(backend)
    backend.set_host(made)
    return cast("Asked", made)


@pytest.fixture(scope="module")
def probed(containerd: int) -> NodeFacts:
    facts = read_facts(WEB, LocalConnection(), ProbeRequest(keys=tuple(KEYS)))
    assert not isinstance(facts.processes, Unavailable)
    assert containerd in {process.pid for process in facts.processes}
    return facts


def facts_of(facts: NodeFacts) -> dict[str, object]:
    """Those that testinfra reads, without numbers that move from one moment to the next."""
    listeners = () if isinstance(facts.listeners, Unavailable) else facts.listeners
    return {
        "identity": facts.identity,
        "sysctls": facts.sysctls,
        "conntrack": replace(facts.conntrack, count=0, stats={}),
        "ipvs": facts.ipvs,
        "modules": facts.modules,
        "builtin": facts.builtin_modules,
        "processes": facts.processes,
        "files": facts.files,
        "tuned": facts.tuned_profile,
        "ufw": facts.ufw_enabled,
        "ports": {(each.protocol, each.port) for each in listeners if each.port == LISTENER.port},
    }


def test_testinfra_sees_what_the_probe_saw(host: Asked, probed: NodeFacts) -> None:
    reading = read_independently(host, probed, CONTROLS)
    assert reading.unread.keys() == {"firewall"}
    assert facts_of(reading.facts) == facts_of(probed)


def test_whatever_the_probe_saw_wrongly_is_read_as_it_is(host: Asked, probed: NodeFacts) -> None:
    file = next(path for path, file in probed.files.items() if file.kind == "file" and "/sysctl.d/" in path)
    gone = NodeFile(path="/etc/sysctl.d/not-there.conf", kind="file", content=b"vm.swappiness = 1\n")
    wrong = replace(
        probed,
        identity=replace(probed.identity, kernel=probed.identity.kernel, cores=4096, ram_bytes=1, arch="none"),
        sysctls=probed.sysctls | {RANGE: replace(probed.sysctls[RANGE], value="1 2")},
        modules=frozenset({"no_such_module"}),
        builtin_modules=frozenset[str](),
        files={path: each for path, each in probed.files.items() if path != file} | {gone.path: gone},
        listeners=(LISTENER,),
        processes=(NodeProcess(pid=4_000_000, name="k3s-server", arguments=("k3s", "server")),),
        ufw_enabled=True,
        tuned_profile="no-such-profile",
    )
    reading = read_independently(host, wrong, CONTROLS)
    assert facts_of(reading.facts) == facts_of(probed)


def test_what_no_control_rests_on_is_not_read(host: Asked, probed: NodeFacts) -> None:
    wrong = replace(probed, processes=(), identity=replace(probed.identity, cores=4096))
    live = [control for control in CONTROLS if control.id == "conntrack-usage"]
    assert read_independently(host, wrong, live).facts.identity.cores == 4096


def test_the_names_of_writers_are_those_that_the_probe_looks_for() -> None:
    script = resources.files("fleet.facts").joinpath("probe/processes.sh").read_text()
    looked_for = script.partition("probe_processes() {")[2].partition("case $name in")[2].partition("*) continue ;;")[0]
    assert set(re.findall(r"[\w*-]+", looked_for)) == set(WRITERS)


def test_files_and_links_that_the_probe_has_not_seen_are_found(host: Asked, tmp_path: Path) -> None:
    one, link, lost, gone = (str(tmp_path / name) for name in ("one", "link", "lost", "gone"))
    Path(one).write_text("vm.swappiness = 1\n")
    Path(link).symlink_to(one)
    Path(lost).symlink_to("/dev/null")
    facts = node_facts(files={gone: NodeFile(path=gone, kind="file", content=b"")})
    for path in (one, link, lost, gone, str(tmp_path), str(tmp_path / "never")):
        facts = with_file(facts, host, path)
    content = b"vm.swappiness = 1\n"
    assert facts.files == {
        one: NodeFile(path=one, kind="file", content=content),
        link: NodeFile(path=link, kind="link", link=one, content=content),
        lost: NodeFile(path=lost, kind="link", link="/dev/null"),
    }
