"""What applies sysctl.d at boot on a node, by its init system, distribution and release."""

import re
from dataclasses import dataclass
from typing import Literal

from fleet.kernel.boot.alpine import SCRIPT, is_modelled
from fleet.kernel.boot.procps import CONF
from fleet.model.facts import NodeFacts, OsRelease

BootReader = Literal["systemd", "procps", "alpine", "unknown"]

BOOT_FILES = ("/proc/cmdline", SCRIPT)
"""What the boot value is computed from beyond the trees that the probe always reads."""

# The first release of each distribution whose systemd is 246 or later; only Debian 12's (252) was measured, the others
# are not verified.
_GLOBS_FROM = {
    "debian": (11, 0),
    "raspbian": (11, 0),
    "ubuntu": (20, 10),
    "rhel": (9, 0),
    "fedora": (33, 0),
    "opensuse-leap": (15, 3),
    "sles": (15, 3),
    "amzn": (2023, 0),
}
_LIKE_RHEL = frozenset({"rhel", "almalinux", "rocky", "centos", "ol"})
_SUSE = frozenset({"sles", "opensuse-leap", "opensuse-tumbleweed", "sle-micro", "opensuse"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BootModel:
    """Which program applies the files at boot, and why we think so.

    Attributes:
        reader: ``unknown`` where no model fits.
        why: in words for the operator.
        sysctl_conf: what part /etc/sysctl.conf takes in it, in words.
        globs: for systemd, whether this release reads wildcards; None where the release is not known.
        before: what may have set keys before the files are applied, in words; empty where nothing does.
    """

    reader: BootReader
    why: str
    sysctl_conf: str
    globs: bool | None = None
    before: str = ""


def boot_model(facts: NodeFacts) -> BootModel:
    """What applies sysctl.d on this node at boot."""
    system, init = facts.identity.os, facts.identity.init
    if init == "systemd":
        return _systemd(facts)
    if system.id in {"devuan", "debian"} and init == "init":
        why = f"{system.pretty_name} without systemd runs sysctl --system in /etc/init.d/procps"
        return BootModel(reader="procps", why=why, sysctl_conf=f"{CONF} is read last")
    if system.id == "alpine":
        return _alpine(facts)
    why = f"process 1 is {init!r} on {system.pretty_name or system.id}: this tool does not know what it runs at boot"
    return BootModel(reader="unknown", why=why, sysctl_conf="it is not known")


def _systemd(facts: NodeFacts) -> BootModel:
    system = facts.identity.os
    links = sorted(path for path, file in facts.files.items() if _leads_to_conf(path, file.link))
    part = (
        f"{', '.join(links)} is a link to {CONF} and is read in the order of its own name"
        if links
        else f"{CONF} is not read: systemd-sysctl reads it only through a link in sysctl.d, and there is none"
    )
    # Not verified: a drop-in is said to read the kernel package's own sysctl.conf first. It only makes more unknown.
    before = "SUSE's systemd-sysctl.service reads a file of the kernel package first" if system.id in _SUSE else ""
    return BootModel(
        reader="systemd",
        why=f"process 1 is systemd: {system.pretty_name or system.id} runs systemd-sysctl",
        sysctl_conf=part,
        globs=_reads_globs(system),
        before=before,
    )


def _reads_globs(system: OsRelease) -> bool | None:
    first = _GLOBS_FROM.get("rhel" if system.id in _LIKE_RHEL else system.id)
    release = re.match(r"(\d{1,5})(?:\.(\d{1,5}))?", system.version_id)
    if first is None or release is None:
        return None
    return (int(release[1]), int(release[2] or 0)) >= first


def _leads_to_conf(path: str, link: str | None) -> bool:
    directory, _, name = path.rpartition("/")
    if link is None or not directory.endswith("/sysctl.d") or not name.endswith(".conf"):
        return False
    return link == CONF or (directory == "/etc/sysctl.d" and link == "../sysctl.conf")


def _alpine(facts: NodeFacts) -> BootModel:
    script = facts.files.get(SCRIPT)
    if script is None or not script.content:
        why = f"Alpine runs {SCRIPT}, which was not read; its releases differ"
        return BootModel(reader="unknown", why=why, sysctl_conf="it is not known")
    if not is_modelled(script.content):
        why = f"{SCRIPT} is another than the one that this tool models"
        return BootModel(reader="unknown", why=why, sysctl_conf="it is not known")
    part = f"{CONF} is read after /etc/sysctl.d and before /run/sysctl.d"
    return BootModel(reader="alpine", why=f"Alpine's {SCRIPT} runs busybox sysctl on each file", sysctl_conf=part)
