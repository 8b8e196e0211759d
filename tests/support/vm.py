"""Real machines for tests: files planted in them, and what fleet says of them."""

import io
import re
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from support.cli import fleet

from fleet.cli.playbook import find_playbook
from fleet.cli.shipped import shipped
from fleet.cli.target import target
from fleet.kernel.catalogue import KEYS
from fleet.lab import vm
from fleet.model.finding import HostAudit
from fleet.plan import NodePlan
from fleet.policy import load_playbook
from fleet.render import Templates
from fleet.rollout.node import NodeAnswer, NodeJob, apply_program, confirm_program, parse_node_answer
from fleet.runner.audit import audit
from fleet.runner.fleet import Fleet
from fleet.runner.plan import plan

# What is expected does not matter, but it has to be a value of the key's kind.
_UNLIKELY = {"net.ipv4.ip_local_port_range": "1024 65535", "net.ipv4.ip_local_reserved_ports": ""}
# Where a test's own files are, so that the next test can be rid of them.
_NONCE = "0123456789abcdef"
_PLANTED = "/var/lib/planted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planting:
    """What stands in a machine's file system; a link's value is its target."""

    files: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def command(lab: vm.VmLab, machine: str, line: str, *, stdin: bytes = b"") -> str:
    """Runs a command line as root, which must succeed, and returns what it printed."""
    completed = vm.run(lab, machine, line, stdin=stdin)
    assert completed.returncode == 0, (line, completed.returncode, completed.stdout, completed.stderr)
    return completed.stdout.decode()


def archived(planting: Planting) -> bytes:
    """Its files and links as a tar archive of the root directory."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in planting.files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content.encode())
            entry.mode = 0o755 if content.startswith("#!") else 0o644
            tar.addfile(entry, io.BytesIO(content.encode()))
        for path, goal in planting.links.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.type, entry.linkname = tarfile.SYMTYPE, goal
            tar.addfile(entry)
    return archive.getvalue()


def plant(lab: vm.VmLab, machine: str, planting: Planting) -> None:
    """Puts files and links into a machine, in place of all that were planted before."""
    clear = f"cd / && touch {_PLANTED} && xargs -r -d '\\n' rm -f -- <{_PLANTED}"
    extract = f"tar -x --keep-directory-symlink -v -f - >{_PLANTED} && sync"
    command(lab, machine, f"{clear} && {extract}", stdin=archived(planting))


def live(lab: vm.VmLab, machine: str, keys: Iterable[str]) -> dict[str, str]:
    """The values of those keys that are there, as procps and ipvsadm read them: none of fleet's own reading."""
    wanted = list(keys)
    return _values(wanted, command(lab, machine, _reading(wanted)))


def live_around(lab: vm.VmLab, machine: str, keys: Iterable[str], line: str) -> tuple[dict[str, str], dict[str, str]]:
    """The values as `live` has them, before and after a command line."""
    wanted = list(keys)
    read = _reading(wanted)
    before, after = command(lab, machine, f"{read}; {line}; echo {_NONCE}; {read}").split(_NONCE)
    return _values(wanted, before), _values(wanted, after)


def _reading(keys: list[str]) -> str:
    names = " ".join(key for key in keys if not key.startswith("ipvs."))
    return f"sysctl -e {names}; if grep -q '^ip_vs ' /proc/modules; then ipvsadm -l --timeout; fi"


def _values(keys: list[str], read: str) -> dict[str, str]:
    values = dict(line.split(" = ", 1) for line in read.splitlines() if " = " in line)
    timeouts = re.search(r"\(tcp tcpfin udp\): (\d+) (\d+) (\d+)", read)
    if timeouts:
        values |= zip(("ipvs.tcp_timeout", "ipvs.tcp_fin_timeout", "ipvs.udp_timeout"), timeouts.groups(), strict=True)
    return {key: values[key] for key in keys if key in values}


def own_playbook(folder: Path, keys: Iterable[str]) -> Path:
    """The shipped playbook with a profile more, which looks at those keys too."""
    folder.mkdir()
    shipped = find_playbook("stop-conntrack-resets").read_text()
    playbook = folder / "playbook.yaml"
    playbook.write_text(shipped.replace("kubelet]", "kubelet, own]"))
    assert playbook.read_text() != shipped
    (folder / "profiles").mkdir()
    controls = [
        {
            "id": f"own-{number}",
            "title": "A key of ours",
            "impact": "low",
            "setting": {"sysctl": key},
            # Of a key that the catalogue knows the scope is known too.
            **({} if key in KEYS else {"scope": "host"}),
            "expect": {"one_of": [_UNLIKELY.get(key, "0")]},
            "why": "It is planted.",
            "sources": ["https://docs.kernel.org/networking/ip-sysctl.html"],
        }
        for number, key in enumerate(keys, start=1)
    ]
    (folder / "profiles" / "own.yaml").write_text(
        yaml.safe_dump({"profile": "own", "title": "Keys of ours", "controls": controls})
    )
    return playbook


def planned(lab: vm.VmLab, machine: str, playbook: Path) -> NodePlan:
    """What fleet would change on a machine, with nothing refused."""
    policy = load_playbook(playbook)
    chosen = target(inventory=str(lab.inventory), local=False, limit=machine, policy=policy)
    with Fleet(chosen.inventory, chosen.transport) as running:
        made = plan(
            running, policy, hosts=chosen.names, playbook=str(playbook), templates=Templates(shipped("templates"))
        )
    host = made.hosts[machine]
    assert host.plan is not None, host.error
    assert host.plan.refused == ()
    return host.plan


def applied(lab: vm.VmLab, machine: str, changes: NodePlan, run: str, *, confirm_within: float = 600.0) -> NodeAnswer:
    """Has the machine make the changes, with its undo armed and nothing confirmed."""
    return _node(lab, machine, apply_program(_NONCE, _job(run, changes, confirm_within), changes))


def begin(  # noqa: PLR0913 - each is one thing a test varies
    lab: vm.VmLab, machine: str, changes: NodePlan, run: str, *, confirm_within: float = 600.0, traps: str = ""
) -> None:
    """Has the machine make the changes and takes no answer, as it may be cut off.

    Args:
        traps: a folder with programs that take precedence over the machine's own.
    """
    path = f"PATH={traps}:$PATH " if traps else ""
    program = apply_program(_NONCE, _job(run, changes, confirm_within), changes)
    vm.run(lab, machine, f"{path}sh -s -- {_NONCE}", stdin=program)


def _job(run: str, changes: NodePlan, confirm_within: float) -> NodeJob:
    restart = tuple({change.target for change in changes.changes if change.after == "restarted"})
    return NodeJob(run_id=run, who="ops@desk", confirm_within=confirm_within, restart=restart)


def confirmed(lab: vm.VmLab, machine: str, run: str) -> NodeAnswer:
    """Lets the changes of a run stay."""
    return _node(lab, machine, confirm_program(_NONCE, run))


def harden(lab: vm.VmLab, playbook: Path) -> str:
    """Plans, applies, verifies and confirms, as an operator would; returns what fleet said."""
    completed = fleet("apply", playbook.absolute(), "-i", lab.inventory, "--yes", cwd=lab.directory)
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


def _node(lab: vm.VmLab, machine: str, program: bytes) -> NodeAnswer:
    answer = vm.run(lab, machine, f"sh -s -- {_NONCE}", stdin=program)
    return parse_node_answer(answer.stdout, nonce=_NONCE, host=machine)


def audited(lab: vm.VmLab, machine: str, playbook: Path) -> HostAudit:
    """What fleet says of a machine, over SSH as ``ops`` with sudo."""
    policy = load_playbook(playbook)
    chosen = target(inventory=str(lab.inventory), local=False, limit=machine, policy=policy)
    with Fleet(chosen.inventory, chosen.transport) as running:
        host = audit(running, policy, hosts=chosen.names, playbook=str(playbook)).hosts[machine]
    assert host.error is None, host.error
    return host
