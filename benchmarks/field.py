"""The folder from which all contestants start: the lab, what to do, and who is where, in the form of each."""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from benchmarks.bare import Task
from benchmarks.nodes import Nodes
from benchmarks.saved_plan import write_plan
from benchmarks.work import AUDIT_KEYS, MARKED_KEY, TREES, files, marked_value, values
from fleet import lab
from fleet.facts import ProbeRequest, probe_arguments, probe_script

Job = Literal["audit", "apply"]
JOBS: Final[tuple[Job, ...]] = ("audit", "apply")

PROGRAMS: Final = Path(__file__).with_name("programs")
NONCE: Final = "0123456789abcdef0123456789abcdef"
WORKERS: Final = 50
_READY_WITHIN = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One lab, ready for all contestants.

    Attributes:
        folder: everything that they are given.
        own: where the programs of our environment are.
        peers: where those of the other contestants are.
        marks: the line that is in the marker file of each node.
    """

    folder: Path
    lab: lab.Lab
    nodes: Nodes
    own: Path
    peers: Path
    marks: Mapping[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """All nodes, in the order of the lab."""
        return tuple(self.nodes.inits)

    @property
    def answers(self) -> Path:
        """A folder for what contestants keep, empty before each run."""
        return self.folder / "answers"

    def clear(self) -> None:
        """Leave nothing of the run before."""
        shutil.rmtree(self.answers, ignore_errors=True)
        self.answers.mkdir()

    def script(self, job: Job) -> Path:
        """What those who run one script are given."""
        return self.folder / f"{job}.sh"

    def task(self, job: Job) -> Path:
        """The same for `benchmarks.bare`."""
        return self.folder / f"{job}.json"

    def command(self, job: Job) -> str:
        """What the script is fed to."""
        return " ".join(("sh", "-s", "--", *probe_words())) if job == "audit" else "sh -s"


def probe_words() -> tuple[str, ...]:
    """The arguments of the probe for all keys of the catalogue."""
    return probe_arguments(NONCE, ProbeRequest(keys=AUDIT_KEYS))


@contextmanager
def field(folder: Path, nodes: int, peers: Path) -> Iterator[Field]:
    """Build a lab, and remove it at the end, whatever happened."""
    built = lab.up(lab.LabRequest(nodes=nodes, state_dir=folder, name="bench", ready_within=_READY_WITHIN))
    try:
        yield prepare(folder, built, peers)
    finally:
        lab.down(folder, "bench")


def prepare(folder: Path, built: lab.Lab, peers: Path) -> Field:
    """Write what contestants need for a lab that is there."""
    found = Nodes.of(built)
    found.mark()
    marks = {name: f"{MARKED_KEY} = {marked_value(number)}" for number, name in enumerate(found.inits)}
    made = Field(folder=folder, lab=built, nodes=found, own=Path(sys.executable).parent, peers=peers, marks=marks)
    _write_scripts(made)
    _write_ssh_config(made)
    _write_for_peers(made)
    write_plan(folder / "plan.json", found.boot_ids(), before=0, after=1)
    return made


def _write_scripts(made: Field) -> None:
    made.script("audit").write_bytes(probe_script())
    calls = [f"put {path} <<'END'\n{content}END\n" for path, content in files(1).items()]
    calls += [f"live {key.replace('.', '/')} '{value}'\n" for key, value in values(1).items()]
    made.script("apply").write_text((PROGRAMS / "apply.sh").read_text() + "".join(calls))
    for job in JOBS:
        Task(
            hosts=_addresses(made),
            key=str(made.lab.identity_file),
            known_hosts=str(made.lab.known_hosts),
            command=made.command(job),
            script=str(made.script(job)),
            answers=str(made.answers),
            workers=WORKERS,
        ).save(made.task(job))


def _write_ssh_config(made: Field) -> None:
    hosts = "".join(f"Host {name}\n  HostName {address}\n" for name, address in _addresses(made).items())
    everywhere = {
        "User": "root",
        "IdentityFile": made.lab.identity_file,
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": made.lab.known_hosts,
        "GlobalKnownHostsFile": "/dev/null",
        "CheckHostIP": "no",
        # The post-quantum exchange costs ten times as much, and no other contestant is made to use it.
        "KexAlgorithms": "curve25519-sha256",
        "ConnectTimeout": 120,
    }
    lines = "".join(f"  {name} {value}\n" for name, value in everywhere.items())
    (made.folder / "ssh_config").write_text(f"{hosts}Host *\n{lines}")


def _write_for_peers(made: Field) -> None:
    first, *others = files(1).items()
    told = {
        "hosts": _addresses(made),
        "key": str(made.lab.identity_file),
        "known_hosts": str(made.lab.known_hosts),
        "answers": str(made.answers),
        "audit_keys": AUDIT_KEYS,
        "node_keys": made.nodes.present(AUDIT_KEYS),
        "trees": TREES,
        "marks": dict(made.marks),
        "probe": f"{made.script('audit')} {' '.join(probe_words())}",
        "values": values(1),
        "files": files(1),
        "first_file": first[0],
        "other_files": dict(others),
    }
    (made.folder / "peers.json").write_text(json.dumps(told))
    variables = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(made.lab.identity_file),
        "ansible_ssh_common_args": f"-F {made.folder / 'ssh_config'}",
        "ansible_python_interpreter": "/usr/bin/python3",
    }
    hosts = {name: {"ansible_host": address} for name, address in _addresses(made).items()}
    (made.folder / "ansible.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": variables}}))


def _addresses(made: Field) -> dict[str, str]:
    return {node.name: str(node.address) for node in made.lab.nodes}
