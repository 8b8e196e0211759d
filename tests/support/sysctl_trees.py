"""Random sysctl.d trees, weighted towards what readers could disagree about."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st
from support.sysctl_oracle import KEYS

from fleet.kernel.boot import Assignment
from fleet.model.facts import NodeFile

Tree = tuple[dict[str, str], ...]
"""Entries as ``Oracle.apply`` takes them."""

_DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")

_NAMES = (
    *("5.conf", "40.conf", "60.conf", "99-a.conf", "99-sysctl.conf", "99-z.conf", "A.conf", "Z.conf", "a.conf"),
    *("10-x.conf", "10-x y.conf", "-.conf", "~.conf", "z.conf", "\u00e9.conf", ".hidden.conf", ".conf"),
    *("[ab].conf", "README", "x.conf.bak", "x.CONF", "a.conf~"),
)
_COMMON_NAMES = _NAMES[:9]

_LINKS = (
    *("/dev/null", "/dev/null", "../sysctl.conf", "/etc/sysctl.conf", "/opt/shared", "/opt/nowhere"),
    *("a.conf", "40.conf", "/usr/lib/sysctl.d/60.conf", "/etc/sysctl.d", "."),
)

_PATTERNS = (
    "net.ipv4.conf.*.rp_filter",
    "net/ipv4/conf/*/rp_filter",
    "net.ipv4.conf.*.rp_f?lter",
    "net.ipv4.conf.[al]*.rp_filter",
    "net.ipv4.conf.[!a]*.rp_filter",
    "net.ipv4.conf.[^d]*.rp_filter",
    "net.ipv4.conf.d/*.rp_filter",
    "net.*.conf.lo.rp_filter",
    "net.ipv4.tcp_keepalive_*",
    "net.ipv4.tcp_keepalive_[it]*",
    "net.ipv4.tcp_[f-k]*i*t*",
    "net.ipv4.tcp_keepalive_tim[e]",
    "net.ipv4.ip_[lu]*_port_*",
    "net.netfilter.nf_conntrack_tcp_timeout_*",
    "net.netfilter.nf_conntrack_tcp_timeout_[!e]*",
    "net.ipv4.tcp_fin_timeout*",
    "net.ipv4.tcp_fin_timeout[",
    "net.ipv4.tcp_fin_timeou[t",
    "net.ipv4.*.nothing",
)
_UNMODELLED = ("net.ipv4.{tcp_fin_timeout,tcp_keepalive_*}", "net.ipv4.tcp_fin_time\\o*", "net.ipv4.tcp_[[:alpha:]]*")

VALUES: tuple[str, ...] = (
    *("0", "1", "2", "3", "5", "15", "61", "127", "255", "256", "600", "4097", "9999"),
    *("0x10", "0X1f", "010", "08", "00", "-0", "-1", "-5", "+5", "2147483647", "2147483648", "4294967297", "9" * 25),
    *("", "banana", "18 # why", "18#x", "18 ; x", "18; x", "1 2", "1\t2", "5,6", '"5"', "1e3", "=7", "7=8", "- 5"),
    *("18\x0b", "\x0c18", "1\x0b8", "\xff5", "5\xff", "5 \xff", "0x", "0" * 21 + "5", "7 " + "z" * 90),
)
_PORTS = (
    *("1024 65535", "2000 3000", "2000\t3000", "2000", "1024", "32768 60999", "40000 30000", "0 65535", "1 65535"),
    *("900 2000", "3000 3000", "2000 3000 x", "2000 3000x", "2000-3000", "65536 70000", "30000 60999 # nodes"),
    *("30000-32767,8080", "80,90,", "80-90,85-100", "90-80", "80, 90", "65536", "8472", "0", "1023", "500"),
)

_SEPARATORS = ("=", " = ", "=", "\t=\t", "= ", " =", "==", " ", ":")
_PREFIXES = ("", "", "", "", "-", "- ", " ", "\t", "--", "-\t")
_ENDS = ("\n", "\n", "\n", "\n", "\r\n", "\r", "\n\r", "\0", "\n\0", "\r\n\0", "\\\n", "\n\n", " \n")
_JUNK = (
    *("# comment", "; comment", "", "   ", "no assignment", "=", "=5", "-", "-=5", "#net.ipv4.tcp_fin_timeout=7"),
    *(" # net.ipv4.tcp_fin_timeout=7", "net.ipv4.no_such_key=1", "net.ipv4=1", "net.ipv4.tcp_fin_timeout"),
    *("\ufeff".encode().decode("latin-1") + "net.ipv4.tcp_fin_timeout=8", "\0net.ipv4.tcp_fin_timeout=9"),
)


def _slashes(key: str) -> str:
    return key.translate(str.maketrans("./", "/."))


_FORMS = (
    *(lambda key: key,) * 8,
    *(_slashes,) * 4,
    lambda key: "/" + _slashes(key),
    lambda key: "." + key,
    lambda key: key + "/",
    lambda key: _slashes(key) + "/",
    lambda key: key.replace(".", "..", 1),
    lambda key: _slashes(key).replace("/", "//"),
    lambda key: _slashes(key).replace("net/", "net/./"),
    lambda key: "./" + _slashes(key),
    lambda key: "/../" + _slashes(key),
    lambda key: _slashes(key).replace("net/", "net/ipv4/../"),
    str.upper,
    lambda key: key.replace("ipv4.", "ipv4/", 1),
    lambda key: key.replace(".", " .", 1),
    lambda key: "/proc/sys/" + _slashes(key),
)

_IPV4 = "net.ipv4."
_CONF = "net.ipv4.conf."
_CONNTRACK = "net.netfilter.nf_conntrack_tcp_"

# A few keys a case, so that its lines meet.
_GROUPS = (
    (_IPV4 + "tcp_fin_timeout",),
    (_IPV4 + "tcp_fin_timeout", _IPV4 + "tcp_keepalive_time"),
    (_IPV4 + "tcp_keepalive_time", _IPV4 + "tcp_keepalive_intvl", _IPV4 + "tcp_keepalive_probes"),
    (_IPV4 + "ip_local_port_range", _IPV4 + "ip_unprivileged_port_start"),
    (_IPV4 + "ip_local_port_range", _IPV4 + "ip_unprivileged_port_start", _IPV4 + "ip_local_reserved_ports"),
    (_CONF + "all.rp_filter", _CONF + "lo.rp_filter", _CONF + "d/1.rp_filter"),
    (_CONF + "default.rp_filter", _CONF + "lo.rp_filter"),
    (_IPV4 + "ip_forward", _CONF + "all.forwarding"),
    (_CONNTRACK + "timeout_established", _CONNTRACK + "timeout_close_wait", _CONNTRACK + "be_liberal"),
    (_IPV4 + "tcp_tw_reuse", _IPV4 + "tcp_max_syn_backlog", "net.core.somaxconn"),
)
assert set(KEYS) == {key for group in _GROUPS for key in group}


@functools.cache
def _line(keys: tuple[str, ...]) -> st.SearchStrategy[str]:
    ports = any("port" in key for key in keys)
    values = st.sampled_from(VALUES + _PORTS * (2 if ports else 0))
    key = st.builds(lambda form, name: str(form(name)), st.sampled_from(_FORMS), st.sampled_from(keys))
    assignment = st.tuples(st.sampled_from(_PREFIXES), key, st.sampled_from(_SEPARATORS), values).map("".join)
    simple = st.tuples(st.sampled_from(keys), st.sampled_from(("=", " = ")), values).map("".join)
    roots = {tuple(key.split(".")[:2]) for key in keys}
    near = [one for one in _PATTERNS * 4 + _UNMODELLED if "conf" in one or not any(".conf." in key for key in keys)]
    pattern = st.sampled_from([one for one in near if tuple(re.split(r"[./]", one)[:2]) in roots] or _PATTERNS)
    glob = st.tuples(st.sampled_from(_PREFIXES[:5]), pattern, st.sampled_from(("=", " = ")), values).map("".join)
    excluded = st.tuples(st.sampled_from(("-", "-", "- ", "--")), key | pattern).map("".join)
    junk = st.sampled_from(_JUNK)
    return st.one_of(simple, simple, simple, assignment, assignment, glob, glob, excluded, junk)


@functools.cache
def _content(keys: tuple[str, ...]) -> st.SearchStrategy[str]:
    lines = st.lists(st.tuples(_line(keys), st.sampled_from(_ENDS)).map("".join), max_size=5)
    return st.tuples(lines.map("".join), st.just("") | _line(keys)).map("".join)


_PLACES = st.tuples(st.sampled_from(_DIRECTORIES), st.sampled_from(_COMMON_NAMES * 6 + _NAMES)).map("/".join)
_PATHS = st.lists(_PLACES, min_size=1, max_size=5, unique=True)
_OUTSIDE = st.sampled_from(([], [], ["/etc/sysctl.conf"], ["/etc/sysctl.conf", "/opt/shared"]))
_KINDS = st.sampled_from(("file",) * 9 + ("link", "link", "directory"))
_TARGETS = st.sampled_from(_LINKS)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Up to seven entries of the four directories, /etc/sysctl.conf and a file outside of all."""
    content = _content(draw(st.sampled_from(_GROUPS)))
    paths = draw(_PATHS) + draw(_OUTSIDE)
    entries: list[dict[str, str]] = []
    for path in paths:
        kind = draw(_KINDS)
        if kind == "file":
            entries.append({"path": path, "kind": kind, "content": draw(content)})
        elif kind == "link":
            entries.append({"path": path, "kind": kind, "link": draw(_TARGETS)})
        else:
            entries.append({"path": path, "kind": kind})
    return tuple(entries)


def node_files(found: list[Mapping[str, Any]]) -> dict[str, NodeFile]:
    """What was found on disk, as facts have it."""
    return {
        entry["path"]: NodeFile(
            path=entry["path"],
            kind=entry["kind"],
            link=entry["link"],
            content=None if entry["content"] is None else entry["content"].encode("latin-1"),
        )
        for entry in found
    }


def with_value(tree: Tree, line: Assignment, value: str) -> Tree | None:
    """The tree with another value in one line; None where that line is behind a link or is not one line for both."""
    for index, entry in enumerate(tree):
        if entry["path"] != line.origin.path or entry["kind"] != "file":
            continue
        lines = entry["content"].split("\n")
        text = lines[line.origin.line - 1]
        if "\r" in text or "\0" in text:
            return None
        lines[line.origin.line - 1] = text[: text.index("=") + 1] + value
        return (*tree[:index], {**entry, "content": "\n".join(lines)}, *tree[index + 1 :])
    return None


def listing(tree: Tree) -> str:
    """A tree for a report: one line an entry."""
    return "\n".join(
        f"  {entry['path']} " + (f"-> {entry['link']}" if "link" in entry else repr(entry.get("content", "directory")))
        for entry in tree
    )


def single_files() -> st.SearchStrategy[Tree]:
    """One /etc/sysctl.conf, mostly of plain lines."""
    groups = st.sampled_from([group for group in _GROUPS if "port" not in group[0]])
    return groups.flatmap(_plain_lines).map(
        lambda content: ({"path": "/etc/sysctl.conf", "kind": "file", "content": content},)
    )


@functools.cache
def _plain_lines(keys: tuple[str, ...]) -> st.SearchStrategy[str]:
    key = st.sampled_from(keys + tuple(map(_slashes, keys)))
    numbers = st.sampled_from(("0", "1", "1", "2", "5", "60", "255", "010", "1 2"))
    plain = st.tuples(key, st.sampled_from(("=", " = ", "=\t")), numbers).map("".join)
    comments = st.sampled_from(
        ("# comment", "", "  ", "\t# =", "#x=1", "kernel.no_such_key_1=5", "net.ipv4.conf.all.nothing=1")
    )
    lines = st.integers(0, 9).flatmap(lambda number: plain if number else comments)
    odd = st.integers(0, 15).flatmap(lambda number: st.just("") if number else _line(keys))
    several = st.lists(lines, min_size=1, max_size=6)
    return st.tuples(several, odd, several).map(lambda parts: "\n".join((*parts[0], parts[1], *parts[2], "")))
