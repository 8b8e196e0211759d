"""Gates on real nodes over SSH: quiet ones, ones that send resets, ones that were mended and ones that were not."""

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer

import pytest
from support.lab import running_lab, ssh
from support.plans import FIN, TEMPLATES, plan_of, playbook_of

from fleet import lab
from fleet.model.rollout import CommandGate, GateResult, RatesGate, VerifyGate
from fleet.plan import Plan
from fleet.policy import Policy
from fleet.rollout.gates import GateContext, check_gates
from fleet.runner.fleet import Fleet
from fleet.runner.inventory import FleetInventory
from fleet.runner.plan import plan
from fleet.transport import SshTransport

pytestmark = pytest.mark.root

WINDOW = RatesGate(window=2.0)
# Until it is told to stop, and for a minute at most: a connection to a port on which the node itself refuses it, and
# where asked for a segment without any flag, which is INVALID to connection tracking.
_NOISE = """
import os, socket, struct, sys, time
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) if "invalid" in sys.argv else None
end = time.monotonic() + 60
while time.monotonic() < end and not os.path.exists("/run/quiet"):
    for _ in range(20):
        if raw is None:
            with socket.socket() as one:
                one.connect_ex(("127.0.0.1", 9))
        else:
            raw.sendto(struct.pack("!HHIIBBHHH", 9, 9, 1, 1, 0x50, 0, 1024, 0, 0), ("127.0.0.1", 0))
    open("/run/noisy", "w").close()
    time.sleep(0.02)
os.unlink("/run/noisy")
"""


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    with running_lab(tmp_path_factory.mktemp("state"), 6) as built:
        yield built


@contextmanager
def gates_on(
    built: lab.Lab, changed: int, *, planned: Plan | None = None, policy: Policy | None = None
) -> Iterator[GateContext]:
    """The first nodes of a lab as a batch, the others as untouched."""
    names = tuple(node.name for node in built.nodes)
    with Fleet(FleetInventory(str(built.inventory)).load(), SshTransport(), workers=6) as fleet:
        yield GateContext(
            fleet=fleet,
            run_id="20261120T120000Z-5f2a01",
            batch=1,
            changed=names[:changed],
            untouched=names[changed:],
            plan=planned or plan_of({}),
            policy=policy,
            stop=Event(),
        )


def on(built: lab.Lab, node: str, command: str) -> str:
    done = ssh(built, node, command)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def noise(built: lab.Lab, nodes: tuple[str, ...], kind: str = "resets") -> Iterator[None]:
    for node in nodes:
        program = f"python3 -c {shlex.quote(_NOISE)} {kind} </dev/null >/run/noise.log 2>&1 & "
        on(built, node, f"rm -f /run/quiet /run/noisy; {program} until [ -e /run/noisy ]; do sleep 0.05; done")
    try:
        yield
    finally:
        for node in nodes:
            on(built, node, "touch /run/quiet; while [ -e /run/noisy ]; do sleep 0.05; done")


def check(built: lab.Lab, gate: RatesGate | CommandGate, changed: int = 2) -> GateResult:
    with gates_on(built, changed) as context:
        [result] = check_gates([gate], context)
    return result


def test_quiet_nodes_pass(six: lab.Lab) -> None:
    result = check(six, WINDOW)
    assert result.passed, result.detail
    assert "at most 0 resets sent (usual 0)" in result.detail
    assert result.detail.endswith("on 2 changed hosts; compared with 4 untouched hosts")


def test_changed_node_that_sends_resets_fails(six: lab.Lab) -> None:
    name = six.nodes[1].name
    with noise(six, (name,)):
        result = check(six, WINDOW)
    assert not result.passed
    assert result.detail.startswith(f"{name} has ")
    assert "resets sent a second, allowed are 5; compared with 4 untouched hosts" in result.detail


def test_resets_that_all_nodes_send_are_not_held_against_the_changed_ones(six: lab.Lab) -> None:
    with noise(six, tuple(node.name for node in six.nodes)):
        result = check(six, replace(WINDOW, at_most=10))
    assert result.passed, result.detail


def test_resets_of_untouched_nodes_alone_fail_nothing(six: lab.Lab) -> None:
    with noise(six, (six.nodes[4].name,)):
        assert check(six, WINDOW).passed


def test_without_untouched_nodes_the_floor_is_left(six: lab.Lab) -> None:
    with noise(six, (six.nodes[0].name,)):
        result = check(six, WINDOW, changed=6)
    assert not result.passed
    assert "no untouched host to compare with, so only more than 5 a second would count" in result.detail


def test_changed_node_with_invalid_packets_fails(six: lab.Lab) -> None:
    name = six.nodes[0].name
    rule = "INPUT -m conntrack --ctstate INVALID -j DROP"
    on(six, name, f"iptables -A {rule}")
    try:
        with noise(six, (name,), "invalid"):
            result = check(six, WINDOW)
    finally:
        on(six, name, f"iptables -D {rule}")
    assert not result.passed
    assert "INVALID packets a second, allowed are 5" in result.detail


def test_node_that_was_made_anew_in_the_window_cannot_be_told(tmp_path: Path) -> None:
    with running_lab(tmp_path, 2) as built, gates_on(built, 1) as context:
        name = built.nodes[0].name
        timer = Timer(1.0, lab.restart, (built, name))
        timer.start()
        [result] = check_gates([RatesGate(window=8.0)], context)
        timer.join()
    assert not result.passed
    assert result.detail.startswith(f"cannot tell: {name} ")


def test_command_on_the_nodes_is_root_there(six: lab.Lab) -> None:
    script = '[ "$(id -u)" = 0 ] && [ "$(cat /proc/sys/kernel/hostname)" = "$1" ]'
    result = check(six, CommandGate(command=("sh", "-c", script, "sh", "{host}"), on="node"))
    assert result.passed, result.detail


def test_command_on_the_nodes_that_hangs_is_left_in_time(six: lab.Lab) -> None:
    started = time.monotonic()
    result = check(six, CommandGate(command=("sleep", "45"), on="node", timeout=2.0))
    assert time.monotonic() - started < 40
    assert "sleep on the node fails for 2 of 2 hosts" in result.detail
    assert f"{six.nodes[0].name}: did not end within 2 s; the connection is closed" in result.detail


def test_verify_tells_a_node_that_was_mended_from_one_that_was_not(six: lab.Lab, tmp_path: Path) -> None:
    policy = playbook_of(tmp_path, f"setting: {{sysctl: {FIN}}}, expect: {{equals: 47}}, set: 47, scope: namespace")
    names = tuple(node.name for node in six.nodes[:2])
    with Fleet(FleetInventory(str(six.inventory)).load(), SshTransport(), workers=6) as fleet:
        made = plan(fleet, policy, hosts=names, playbook="play.yaml", templates=TEMPLATES)
    for name in names:
        host = made.hosts[name].plan
        assert host is not None
        for change in host.changes:
            path = change.target if change.kind == "file" else f"/proc/sys/{change.target.replace('.', '/')}"
            if change.kind == "file" or name == names[0]:
                on(six, name, f"printf '%s\\n' {shlex.quote(change.after or '')} >{path}")
    with gates_on(six, 2, planned=made, policy=policy) as context:
        [result] = check_gates([VerifyGate()], context)
        assert result.detail.startswith(f"{names[1]}: c-1 (fail): {FIN} is 60, expected 47; the next boot leaves 47")
        on(six, names[1], f"echo 47 >/proc/sys/{FIN.replace('.', '/')}")
        assert check_gates([VerifyGate()], context) == (
            GateResult(kind="verify", passed=True, detail="2 mended controls on 2 hosts as expected"),
        )
