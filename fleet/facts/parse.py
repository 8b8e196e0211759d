"""From the bytes that a node answered to NodeFacts."""

import re
from collections.abc import Mapping

from fleet.facts.answer import Answer, MalformedError, open_answer, text
from fleet.facts.firewall import parse_invalid_rules
from fleet.facts.identity import host_words, parse_identity
from fleet.facts.network import parse_conntrack, parse_counters, parse_ipvs, parse_socket_sums, parse_sockets
from fleet.facts.processes import parse_processes
from fleet.facts.sysctls import join_values, parse_modules, parse_sysctls
from fleet.facts.tree import parse_files
from fleet.model.errors import ProtocolError
from fleet.model.facts import NodeFacts, NodeFile, Reason, Unavailable

# Read like the configuration trees, but told by facts of their own.
_PROGRAM = re.compile(rb"(?:/usr)?/s?bin/(?:sysctl|modprobe|ipvsadm)")
_OWN_FACTS = ("/etc/machine-id", "/etc/os-release", "/usr/lib/os-release", "/etc/tuned/active_profile")


def parse_answer(answer: bytes, *, nonce: str, host: str) -> NodeFacts:
    """Read what the probe printed; secrets in it are masked here, before anything else sees them.

    Args:
        answer: standard output of the probe, which is not to be trusted.
        nonce: the one that the probe was given.
        host: the inventory name, for messages.

    Raises:
        ProtocolError: the answer is foreign, cut off, of another version, or not what the probe prints.
    """
    opened = open_answer(answer, nonce=nonce, host=host)
    try:
        return _parse(opened)
    except MalformedError as error:
        raise ProtocolError(
            host,
            f"{host} answered something that the probe does not print: {error}",
            advice="run it again; if it stays, report it with the node's shell and operating system",
        ) from error


def _parse(answer: Answer) -> NodeFacts:
    host = host_words(answer.lines(b"host"))
    values = join_values(answer)
    processes, process_notes = parse_processes(answer.records(b"processes"), values.contents)
    files, file_notes = parse_files(
        answer, configs=frozenset(process.config for process in processes if process.config)
    )
    identity = parse_identity(host, values.contents, files)
    uid = identity.uid
    modules, builtin = parse_modules(values, host.get(b"kernel", b""), static=b"static" in host)
    there = frozenset[str]().union(*(names for names in (modules, builtin) if not isinstance(names, Unavailable)))
    sysctls = parse_sysctls(values, uid=uid, loaded=there)
    sockets = parse_sockets(answer.lines(b"sockets"), arch=identity.arch)
    tools = answer.lines(b"tools")
    rules, rule_notes = parse_invalid_rules(tools, uid=uid)
    socket_notes = () if sockets.complete else ("there are more than 5000 listening sockets: the others were not read",)
    return NodeFacts(
        identity=identity,
        sysctls=sysctls,
        conntrack=parse_conntrack(values, sysctls, sockets, uid=uid),
        ipvs=parse_ipvs(tools, sockets, uid=uid),
        sockets=parse_socket_sums(values.contents),
        counters=parse_counters(values.contents),
        modules=modules,
        builtin_modules=builtin,
        files={path: file for path, file in files.items() if path not in _OWN_FACTS},
        listeners=sockets.listeners,
        processes=Unavailable(Reason.NEEDS_ROOT, "hidepid") if uid and b"hidden" in host else processes,
        invalid_rules=rules,
        tuned_profile=tuned_profile(files),
        ufw_enabled=ufw_enabled(files),
        programs=_programs(tools),
        notes=(*file_notes, *process_notes, *socket_notes, *rule_notes),
    )


def _programs(tools: list[bytes]) -> dict[str, str]:
    found = {}
    for line in tools:
        word, _, rest = line.partition(b" ")
        name, _, path = rest.partition(b" ")
        if word == b"program":
            if not _PROGRAM.fullmatch(path) or not path.endswith(b"/" + name):
                raise MalformedError("not the full name of a program", path)
            found[text(name)] = text(path)
    return found


def tuned_profile(files: Mapping[str, NodeFile]) -> str | Unavailable:
    """The profile that TuneD applies, from /etc/tuned/active_profile."""
    file = files.get("/etc/tuned/active_profile")
    if file is None:
        return Unavailable(Reason.NOT_INSTALLED, "tuned")
    if file.content is None:
        return Unavailable(Reason.UNREADABLE, file.path)
    return file.content.decode(errors="backslashreplace").strip()


def ufw_enabled(files: Mapping[str, NodeFile]) -> bool | Unavailable:
    """ENABLED in /etc/ufw/ufw.conf, which ``ufw enable`` writes."""
    file = files.get("/etc/ufw/ufw.conf")
    if file is None:
        directory = files.get("/etc/ufw")
        if directory and directory.kind == "unreadable":
            return Unavailable(Reason.NEEDS_ROOT, directory.path)
        return Unavailable(Reason.NOT_INSTALLED, "ufw")
    if file.content is None:
        return Unavailable(Reason.UNREADABLE, file.path)
    lines = (line.partition(b"=") for line in file.content.lower().splitlines())
    return [value.strip(b" \t\"'") for name, _, value in lines if name.strip() == b"enabled"][-1:] == [b"yes"]
