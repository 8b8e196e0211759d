"""Whether a unit gives keys their values before its service starts, for modules that come after the files of the boot.

A drop-in does not replace sysctl.d and modules-load.d: it is for nodes on which something else decides when a module is
loaded, or takes a value away before the service starts.
"""

from collections.abc import Mapping, Sequence

from fleet.kernel.boot.module import owner
from fleet.kernel.services import start_values
from fleet.kernel.unitfile import unit_file
from fleet.model.facts import NodeFacts
from fleet.model.finding import FindingStatus
from fleet.policy.wanted import Wanted


def late_keys(wants: Sequence[Wanted]) -> Mapping[str, tuple[Wanted, ...]]:
    """The keys of modules that a playbook holds on a node after the boot too, with the controls that hold them."""
    found: dict[str, tuple[Wanted, ...]] = {}
    for want in wants:
        key = want.control.setting.key
        if key is not None and owner(key) is not None and want.is_held and want.control.state != "live":
            found[key] = (*found.get(key, ()), want)
    return found


def judge_drop_in(service: str, facts: NodeFacts, wants: Sequence[Wanted]) -> tuple[FindingStatus, str]:
    """The verdict on one unit, and its reason.

    Args:
        service: the unit without ``.service``.
        facts: of the node.
        wants: the controls about keys, judged.
    """
    if facts.identity.init != "systemd" or unit_file(facts.files, service) is None:
        return "skip", f"{service}.service is not on this node"
    given = start_values(facts.files, service)
    keys = late_keys(wants)
    missing = [key for key, held in keys.items() if not _is_given(given[key].value if key in given else None, held)]
    if missing:
        return "fail", f"{service}.service does not set {', '.join(missing)} as expected before it starts"
    return "pass", f"{service}.service sets {', '.join(keys) or 'nothing, as nothing is asked for,'} before it starts"


def _is_given(value: str | None, held: Sequence[Wanted]) -> bool:
    return all(want.accepts(value) for want in held)
