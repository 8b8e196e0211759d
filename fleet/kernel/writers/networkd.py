"""systemd-networkd, which turns forwarding on for the whole node.

* IPForward= and IPMasquerade= of a .network file do so when an interface it matches comes up, and never turn it off;
  from systemd 256 on they are about the interface alone (systemd.network(5)).
* IPv4Forwarding= of networkd.conf, which came with 256, sets it either way when networkd starts
  (``networkd-sysctl.c``).
"""

import posixpath
from collections.abc import Iterator, Mapping

from fleet.kernel.layers import layered
from fleet.kernel.writers.writer import Write, Writer, shown
from fleet.model.facts import NodeFacts, NodeFile, NodeProcess

_BASES = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd")
_FORWARD = "net.ipv4.ip_forward"
_GLOBAL = (_FORWARD, "net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding")
_ON = frozenset({"1", "yes", "y", "true", "t", "on"})
_OFF = frozenset({"0", "no", "n", "false", "f", "off"})
_PER_FILE: Mapping[str, frozenset[str]] = {
    "IPForward": _ON | {"ipv4"},
    "IPMasquerade": _ON | {"ipv4", "both"},
}
# systemd ships these for its own containers and virtual machines, whose interfaces nothing else brings.
_OWN = ("80-container-", "80-vm-", "80-namespace-")
_LEAVES = Write(rule="leaves", value=None)


def networkd_writers(facts: NodeFacts, process: NodeProcess) -> Iterator[Writer]:
    """What a running systemd-networkd writes when it starts again, or an interface comes up."""
    runs = f"{process.name} runs (process {process.pid})"
    last = dict(_settings(_global(facts.files)))
    if line := last.get("IPv4Forwarding"):
        value, origin = line
        if value.lower() in _ON | _OFF:
            number = "1" if value.lower() in _ON else "0"
            for key in _GLOBAL:
                yield Writer(
                    name="systemd-networkd",
                    kind="systemd-networkd",
                    key=key,
                    when="service start",
                    service="systemd-networkd",
                    writes=(Write(rule="sets", value=number), _LEAVES),
                    reason="systemd before 256 does not know IPv4Forwarding=, and its release was not read",
                    evidence=(runs, f"{origin} has IPv4Forwarding={shown(value)}"),
                    place=origin.rpartition(":")[0],
                )
    if lines := tuple(_forwarding(facts.files)):
        yield Writer(
            name="systemd-networkd",
            kind="systemd-networkd",
            key=_FORWARD,
            when="interface up",
            service="systemd-networkd",
            writes=(Write(rule="sets", value="1"), _LEAVES),
            reason="whether an interface matches the file, and comes up, is not known",
            evidence=(runs, *(f"{origin} has {line}" for line, origin in lines)),
            place=lines[0][1].rpartition(":")[0],
        )


def _forwarding(files: Mapping[str, NodeFile]) -> Iterator[tuple[str, str]]:
    """Lines of the .network files that count which turn forwarding on, each with its place."""
    for file in layered(files, (f"{base}/network" for base in _BASES), ".network"):
        name = posixpath.basename(file.path)
        if name.startswith(_OWN):
            continue
        drop_ins = layered(files, (f"{base}/network/{name}.d" for base in _BASES), ".conf")
        for key, (value, origin) in dict(_settings((file, *drop_ins))).items():
            if value.lower() in _PER_FILE.get(key, ()):
                yield f"{key}={shown(value)}", origin


def _global(files: Mapping[str, NodeFile]) -> tuple[NodeFile, ...]:
    main = next((files[path] for base in _BASES if (path := f"{base}/networkd.conf") in files), None)
    drop_ins = layered(files, (f"{base}/networkd.conf.d" for base in _BASES), ".conf")
    return drop_ins if main is None else (main, *drop_ins)


def _settings(files: tuple[NodeFile, ...]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Each line of the section Network: its key, and its value with the place; the last of equal keys counts."""
    for file in files:
        section = ""
        text = "" if file.content is None else file.content.decode("utf-8", "replace")
        for number, line in enumerate(text.split("\n"), start=1):
            bare = line.strip()
            if bare.startswith("[") and bare.endswith("]"):
                section = bare[1:-1]
            elif section == "Network" and "=" in bare and not bare.startswith(("#", ";")):
                key, _, value = bare.partition("=")
                yield key.strip(), (value.strip(), f"{shown(file.path)}:{number}")
