"""Who is measured, what each is started with, and how it is seen that it did the work."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import checks
from benchmarks.field import PROGRAMS, WORKERS, Field, Job
from benchmarks.work import PLAYBOOK

Command = Callable[[Field], Sequence[str | Path]]
Environment = Callable[[Field], Mapping[str, str]]
_ALL = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """One program at one job.

    Attributes:
        name: to choose it by; that of a contestant's programs for different jobs may be the same.
        title: in the table.
        most: nodes with which it is still run; with more of them it would take minutes.
        right: exit codes that mean that the work was done.
        check: whether it was, from what the program has printed and left behind; an apply is looked for on the nodes.
    """

    job: Job
    name: str
    title: str
    command: Command
    environment: Environment = lambda _field: {}
    most: int = _ALL
    right: tuple[int, ...] = (0,)
    check: Callable[[Field, str], None] = lambda _field, _log: None


def _fleet_audit(field: Field) -> Sequence[str | Path]:
    told = ("-f", "json", "-o", field.answers / "audit.json", "--state-dir", field.folder / "state")
    return (field.own / "fleet", "audit", PLAYBOOK, "-i", field.lab.inventory, "--workers", str(WORKERS), *told)


def _fleet_apply(field: Field) -> Sequence[str | Path]:
    told = ("-f", "json", "-o", field.answers / "apply.json", "--state-dir", field.folder / "state")
    plan = field.folder / "plan.json"
    return (field.own / "fleet", "apply", plan, "--yes", "-i", field.lab.inventory, "--workers", str(WORKERS), *told)


def _bare(job: Job) -> Command:
    return lambda field: (field.own / "python", "-m", "benchmarks.bare", field.task(job))


def _openssh(job: Job) -> Command:
    def command(field: Field) -> Sequence[str | Path]:
        given = (field.folder / "ssh_config", field.command(job), field.script(job), field.answers, str(WORKERS))
        return ("sh", PROGRAMS / "openssh.sh", *given, *field.names)

    return command


def _ansible(play: str) -> Command:
    def command(field: Field) -> Sequence[str | Path]:
        given = ("-i", field.folder / "ansible.json", "-e", f"@{field.folder / 'peers.json'}")
        return (field.peers / "ansible-playbook", *given, PROGRAMS / play)

    return command


def _ansible_environment(field: Field) -> Mapping[str, str]:
    return {
        "ANSIBLE_FORKS": str(WORKERS),
        "ANSIBLE_HOME": str(field.folder / "ansible"),
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(field.folder / "cp"),
        "ANSIBLE_TIMEOUT": "120",
    }


def _mitogen_environment(field: Field) -> Mapping[str, str]:
    (strategies,) = field.peers.parent.glob("lib/python3*/site-packages/ansible_mitogen/plugins/strategy")
    mitogen = {"ANSIBLE_STRATEGY": "mitogen_linear", "ANSIBLE_STRATEGY_PLUGINS": str(strategies)}
    return {**_ansible_environment(field), **mitogen}


def _pyinfra(deploy: str) -> Command:
    def command(field: Field) -> Sequence[str | Path]:
        parallel = ("--parallel", str(WORKERS))
        return (field.peers / "pyinfra", "-y", *parallel, PROGRAMS / "pyinfra_inventory.py", PROGRAMS / deploy)

    return command


def _testinfra(field: Field) -> Sequence[str | Path]:
    # Not by the settings of our own tests.
    options = ("-q", "-c", "/dev/null", "-p", "no:cacheprovider", "--ssh-config", field.folder / "ssh_config")
    return (field.peers / "python", "-m", "pytest", *options, PROGRAMS / "testinfra_audit.py")


def _peers_environment(field: Field) -> Mapping[str, str]:
    return {"BENCH_TASK": str(field.folder / "peers.json"), "PYTHONDONTWRITEBYTECODE": "1"}


def _ansible_audit(name: str, title: str, play: str, environment: Environment, most: int) -> Contestant:
    return Contestant(
        job="audit",
        name=name,
        title=title,
        command=_ansible(play),
        environment=environment,
        most=most,
        check=checks.ansible,
    )


CONTESTANTS: Final = (
    Contestant(
        job="audit",
        name="fleet",
        title="fleet",
        command=_fleet_audit,
        right=(3,),
        check=checks.fleet_audit,
    ),
    Contestant(
        job="audit",
        name="paramiko",
        title="bare paramiko, the same probe",
        command=_bare("audit"),
        check=checks.probe_answers,
    ),
    Contestant(
        job="audit",
        name="openssh",
        title="OpenSSH, the same probe",
        command=_openssh("audit"),
        check=checks.probe_answers,
    ),
    Contestant(
        job="audit",
        name="pyinfra",
        title="pyinfra, two facts",
        command=_pyinfra("pyinfra_audit.py"),
        environment=_peers_environment,
        most=100,
        check=checks.pyinfra_audit,
    ),
    _ansible_audit("ansible-script", "ansible, the same probe", "ansible_script.yaml", _ansible_environment, 100),
    Contestant(
        job="audit",
        name="testinfra",
        title="testinfra (paramiko)",
        command=_testinfra,
        environment=_peers_environment,
        most=10,
        check=checks.testinfra,
    ),
    _ansible_audit("mitogen", "ansible modules, mitogen", "ansible_audit.yaml", _mitogen_environment, 10),
    _ansible_audit("ansible", "ansible modules, pipelining", "ansible_audit.yaml", _ansible_environment, 10),
    Contestant(job="apply", name="fleet", title="fleet", command=_fleet_apply, check=checks.fleet_apply),
    Contestant(job="apply", name="paramiko", title="bare paramiko, one script", command=_bare("apply")),
    Contestant(job="apply", name="openssh", title="OpenSSH, one script", command=_openssh("apply")),
    Contestant(
        job="apply",
        name="pyinfra",
        title="pyinfra operations",
        command=_pyinfra("pyinfra_apply.py"),
        environment=_peers_environment,
        most=100,
    ),
    Contestant(
        job="apply",
        name="mitogen",
        title="ansible modules, mitogen",
        command=_ansible("ansible_apply.yaml"),
        environment=_mitogen_environment,
        most=100,
    ),
    Contestant(
        job="apply",
        name="ansible",
        title="ansible modules, pipelining",
        command=_ansible("ansible_apply.yaml"),
        environment=_ansible_environment,
        most=100,
    ),
)
NAMES: Final = tuple(dict.fromkeys(each.name for each in CONTESTANTS))
