"""The six keys that a kubelet writes when it starts, or demands with protectKernelDefaults.

https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/component-helpers/node/util/sysctl/sysctl.go
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.kernel.documents import node_document
from fleet.kernel.k3s import k3s_given, runs_pods
from fleet.kernel.layers import layered
from fleet.kernel.options import option, options
from fleet.kernel.writers.goflags import parse_bool
from fleet.kernel.writers.writer import Write, Writer, shown
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts, NodeFile, NodeProcess

KUBELET_VALUES: Mapping[str, str] = {
    "vm.overcommit_memory": "1",
    "vm.panic_on_oom": "0",
    "kernel.panic": "10",
    "kernel.panic_on_oops": "1",
    "kernel.keys.root_maxkeys": "1000000",
    "kernel.keys.root_maxbytes": "25000000",
}
_FLAG = "protect-kernel-defaults"
_FIELD = "protectKernelDefaults"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Protection:
    """Whether the kubelet only demands; ``on`` is None where that is not known."""

    on: bool | None
    origin: str


def kubelet_writers(facts: NodeFacts) -> Iterator[Writer]:
    """What the node's kubelet writes or demands when it starts again, in a process of its own or inside k3s."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    for process in processes:
        if process.name == "kubelet":
            yield from _writers(process, _of_process(process, facts.files), service="kubelet", place=_place(process))
            return
        if process.name in {"k3s", "k3s-server", "k3s-agent"}:
            if (protection := _of_k3s(process, facts.files)) is not None:
                yield from _writers(process, protection, service="k3s", place="/etc/rancher/k3s/config.yaml.d/")
            return


def _writers(process: NodeProcess, protection: _Protection, *, service: str, place: str) -> Iterator[Writer]:
    for key, value in KUBELET_VALUES.items():
        sets, demands = Write(rule="sets", value=value), Write(rule="demands", value=value)
        writes = {True: (demands,), False: (sets,), None: (sets, demands)}[protection.on]
        yield Writer(
            name="kubelet",
            kind="kubelet",
            key=key,
            when="service start",
            service=service,
            after=("unit",),
            writes=writes,
            reason="" if protection.on is not None else protection.origin,
            evidence=(f"{process.name} runs (process {process.pid})", protection.origin),
            condition="with another value the kubelet does not start" if protection.on else _CONDITION,
            place=place,
        )


_CONDITION = "only where the value is another"


def _place(process: NodeProcess) -> str:
    return shown(option(process.arguments, "config") or "the arguments of the kubelet")


def _of_process(process: NodeProcess, files: Mapping[str, NodeFile]) -> _Protection:
    # Flags beat the file: https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/
    if flag := _of_flags(options(process.arguments, _FLAG), f"process {process.pid} has --{_FLAG}"):
        return flag
    protection = _Protection(on=False, origin=f"{_FIELD} is not set, so its default counts")
    if path := option(process.arguments, "config"):
        protection = _of_file(path, files.get(path), protection)
    if directory := option(process.arguments, "config-dir"):
        for file in layered(files, (directory.rstrip("/"),), ".conf"):
            protection = _of_file(file.path, file, protection)
    return protection


def _of_k3s(process: NodeProcess, files: Mapping[str, NodeFile]) -> _Protection | None:
    try:
        if not runs_pods(process, files):
            return None
        arguments = tuple(f"--{given.text.removeprefix('--')}" for given in k3s_given(process, files, "kubelet-arg"))
        if flag := _of_flags(options(arguments, _FLAG), f"kubelet-arg of k3s has {_FLAG}"):
            return flag
        given = k3s_given(process, files, _FLAG)
    except DocumentError as error:
        return _Protection(on=None, origin=shown(f"the configuration of k3s: {error}"))
    protection = _Protection(on=False, origin=f"k3s does not set {_FLAG}")
    if given:
        origin = f"{given[-1].origin} sets {_FLAG}"
        protection = _Protection(on=_switch(given[-1].text), origin=origin)
    # These are read after the file in which k3s writes its own choice.
    for file in layered(files, ("/var/lib/rancher/k3s/agent/etc/kubelet.conf.d",), ".conf"):
        protection = _of_file(file.path, file, protection)
    return protection


def _of_flags(values: tuple[str, ...], origin: str) -> _Protection | None:
    # A word after a switch is an argument of its own, so it does not belong to it.
    return _Protection(on=bool(_switch(values[-1], otherwise=True)), origin=origin) if values else None


def _switch(text: str, *, otherwise: bool | None = None) -> bool | None:
    try:
        return parse_bool(text)
    except ValueError:
        return otherwise


def _of_file(path: str, file: NodeFile | None, before: _Protection) -> _Protection:
    if file is None or file.content is None:
        return _Protection(on=None, origin=f"{shown(path)}, which the kubelet reads, could not be read")
    try:
        document = node_document(file.content, path)
    except DocumentError as error:
        return _Protection(on=None, origin=shown(str(error)))
    if not isinstance(document.data, dict):
        return _Protection(on=None, origin=f"{shown(path)} is no mapping")
    if _FIELD not in document.data:
        return before
    value = document.data[_FIELD]
    line, _ = document.key_position((_FIELD,))
    origin = f"{path}:{line} sets {_FIELD}"
    return _Protection(on=value, origin=origin) if isinstance(value, bool) else _Protection(on=None, origin=origin)
