"""What becomes of the timeouts of IPVS at a boot: nothing keeps them but a unit that runs ipvsadm.

``ipvsadm --set`` takes all three, and 0 leaves one as it is: https://manpages.debian.org/bookworm/ipvsadm/ipvsadm.8.en.html.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fleet.kernel.boot.model import Assignment, BootSet, BootUnknown, BootUnset, BootValue, Origin
from fleet.kernel.keys_ipvs import TCP, TCP_FIN, UDP
from fleet.kernel.unitfile import is_enabled, unit_commands, units
from fleet.model.facts import IpvsTimeouts, NodeFacts, Unavailable

_SET = re.compile(r"(?:^|[\s/'\"])ipvsadm\s+--set\s+(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})")
_DIRECTIVES = ("ExecStartPre", "ExecStart", "ExecStartPost")


def timeouts_by_key(timeouts: IpvsTimeouts | Unavailable) -> Mapping[str, str | None]:
    """The three as the kernel prints them, by the names that controls use; None where they could not be read."""
    if isinstance(timeouts, Unavailable):
        return {TCP: None, TCP_FIN: None, UDP: None}
    return {TCP: str(timeouts.tcp), TCP_FIN: str(timeouts.tcp_fin), UDP: str(timeouts.udp)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    unit: str
    origin: Origin
    timeouts: IpvsTimeouts


def ipvs_boot(facts: NodeFacts) -> Mapping[str, BootValue]:
    """What units leave of each timeout at the next boot, by the names that controls use."""
    lines = tuple(_lines(facts))
    return {key: _boot(key, lines) for key in (TCP, TCP_FIN, UDP)}


def _boot(key: str, lines: tuple[_Line, ...]) -> BootValue:
    found = []
    for line in lines:
        value = timeouts_by_key(line.timeouts)[key]
        if value is not None and value != "0":
            found.append((line.unit, Assignment(key=key, value=value, origin=line.origin, ignore_errors=False)))
    if not found:
        return BootUnset(losers=())
    *others, (_, winner) = found
    if len({unit for unit, _ in found}) > 1 and len({line.value for _, line in found}) > 1:
        places = " and ".join(str(line.origin) for _, line in found)
        reason = f"{places} set it, and which of these units comes last is not known"
        return BootUnknown(reason=reason, candidates=tuple(line for _, line in found))
    return BootSet(value=winner.value, winner=winner, losers=tuple(line for _, line in others))


def _lines(facts: NodeFacts) -> Iterator[_Line]:
    if facts.identity.init != "systemd":
        return
    for unit in units(facts.files):
        if not is_enabled(facts.files, f"{unit}.service"):
            continue
        for directive in _DIRECTIVES:
            for command in unit_commands(facts.files, unit, directive):
                if match := _SET.search(command.text):
                    tcp, tcp_fin, udp = map(int, match.groups())
                    yield _Line(
                        unit=unit,
                        origin=Origin(path=command.path, line=command.line),
                        timeouts=IpvsTimeouts(tcp=tcp, tcp_fin=tcp_fin, udp=udp),
                    )
