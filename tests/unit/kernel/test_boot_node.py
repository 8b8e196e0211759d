"""The boot value of a whole node: which reader runs, which modules are there, what hashsize does."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from support.facts import IDENTITY, node_facts

from fleet.facts.masking import mask_command_line
from fleet.kernel.boot import (
    BootLost,
    BootRefused,
    BootSet,
    BootUnknown,
    BootUnset,
    BootValue,
    boot_model,
    resolve_boot,
)
from fleet.model.facts import NodeFacts, NodeFile, OsRelease, Reason, Unavailable

MAX = "net.netfilter.nf_conntrack_max"
BUCKETS = "net.netfilter.nf_conntrack_buckets"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
FIN = "net.ipv4.tcp_fin_timeout"

ALPINE_SCRIPT = b"""
for f in /lib/sysctl.d/*.conf \\
        /usr/lib/sysctl.d/*.conf; do
        if  [ -f /etc/sysctl.d/"${f##*/}" ]; then
        if [ -f /run/sysctl.d/"${f##*/}" ]; then
        sysctl $quiet -p "$f"
for f in /etc/sysctl.d/*.conf; do
if [ -f /etc/sysctl.conf ]; then
for f in /run/sysctl.d/*.conf; do
"""


def files(entries: dict[str, str | bytes]) -> dict[str, NodeFile]:
    return {
        path: NodeFile(path=path, kind="file", content=content.encode() if isinstance(content, str) else content)
        for path, content in entries.items()
    }


def node(entries: dict[str, str | bytes], *, command_line: str = "ro quiet", **overrides: object) -> NodeFacts:
    return node_facts(files=files({"/proc/cmdline": command_line + "\n", **entries}), **overrides)


def boot(facts: NodeFacts, key: str) -> BootValue:
    return resolve_boot(facts, [key])[key]


def os_release(id_: str, version: str) -> OsRelease:
    return OsRelease(id=id_, version_id=version, pretty_name=f"{id_} {version}", id_like=())


SIZED = {"/etc/sysctl.d/90.conf": f"{MAX} = 524288\n"}


def test_conntrack_key_is_lost_where_nothing_loads_the_module_before() -> None:
    value = boot(node(SIZED), MAX)
    assert isinstance(value, BootLost)
    assert str(value.winner.origin) == "/etc/sysctl.d/90.conf:1"
    assert "nothing loads nf_conntrack before systemd-sysctl" in value.reason
    assert "/etc/modules-load.d/nf_conntrack.conf" in value.remedy
    assert value.value is None


@pytest.mark.parametrize(
    ("entries", "command_line"),
    [
        ({"/etc/modules-load.d/conntrack.conf": "# for sysctl\n nf-conntrack \n"}, "ro"),
        ({"/usr/lib/modules-load.d/k.conf": "overlay\nnf_conntrack"}, "ro"),
        ({}, "ro modules_load=overlay,nf_conntrack quiet"),
        ({}, "ro modules-load=nf_conntrack"),
    ],
)
def test_conntrack_key_is_set_where_the_module_is_loaded_before(entries: dict[str, str], command_line: str) -> None:
    value = boot(node({**SIZED, **entries}, command_line=command_line), MAX)
    assert isinstance(value, BootSet)
    assert value.value == "524288"


def test_built_in_module_is_there_at_boot() -> None:
    assert isinstance(boot(node(SIZED, builtin_modules=frozenset({"nf_conntrack"})), MAX), BootSet)


@pytest.mark.parametrize(
    "entries",
    [
        {"/etc/modules-load.d/a.conf": "", "/usr/lib/modules-load.d/a.conf": "nf_conntrack\n"},
        {"/etc/modules-load.d/a": "nf_conntrack\n"},
        {"/etc/modules-load.d/a.conf": "#nf_conntrack\n"},
        {"/etc/modules": "nf_conntrack\n"},
    ],
)
def test_masked_or_unread_list_of_modules_loads_nothing(entries: dict[str, str]) -> None:
    assert isinstance(boot(node({**SIZED, **entries}), MAX), BootLost)


def test_etc_modules_counts_through_debians_link() -> None:
    facts = node(SIZED)
    link = NodeFile(
        path="/etc/modules-load.d/modules.conf", kind="link", link="../modules", content=b"# list\nnf_conntrack\n"
    )
    assert isinstance(boot(replace(facts, files={**facts.files, link.path: link}), MAX), BootSet)


@pytest.mark.parametrize(
    ("entries", "where"),
    [
        ({"/etc/modprobe.d/a.conf": "install nf_conntrack /bin/true\n"}, "/etc/modprobe.d/a.conf:1"),
        ({"/etc/modprobe.d/a.conf": "#\nblacklist nf-conntrack\n"}, "/etc/modprobe.d/a.conf:2"),
        (
            {"/etc/modprobe.d/a.conf": "softdep dm pre: nf_conntrack", "/etc/modules-load.d/a.conf": "dm"},
            "/etc/modprobe.d/a.conf:1",
        ),
        ({"/etc/modules-load.d/a.conf": "ip_vs\n"}, "/etc/modules-load.d/a.conf"),
    ],
)
def test_rules_that_may_load_or_hinder_the_module_make_it_unknown(entries: dict[str, str], where: str) -> None:
    value = boot(node({**SIZED, **entries}), MAX)
    assert isinstance(value, BootUnknown)
    assert where in value.reason


@pytest.mark.parametrize("command_line", ["module_blacklist=nf_conntrack", "modprobe.blacklist=foo,nf_conntrack ro"])
def test_module_forbidden_on_the_command_line_is_not_loaded(command_line: str) -> None:
    entries = {**SIZED, "/etc/modules-load.d/a.conf": "nf_conntrack\n"}
    assert isinstance(boot(node(entries, command_line=command_line), MAX), BootLost)


def test_unread_command_line_leaves_it_unknown() -> None:
    for content in ({}, {"/proc/cmdline": b""}, {"/proc/cmdline": b"(masked) modules-load=(masked)\n"}):
        facts = node_facts(files=files({**SIZED, **content}))
        assert isinstance(boot(facts, MAX), BootUnknown)


def test_masked_words_about_something_else_leave_nothing_unknown() -> None:
    line = mask_command_line(b"BOOT_IMAGE=/boot/vmlinuz root=UUID=1f2e ro quiet console=ttyS0\n")
    value = boot(node_facts(files=files({**SIZED, "/proc/cmdline": line})), MAX)
    assert isinstance(value, BootLost)
    assert "nothing loads nf_conntrack" in value.reason


def test_hashsize_alone_sets_max_to_eight_times_the_whole_pages_of_buckets() -> None:
    facts = node({"/etc/modprobe.d/c.conf": "# table\noptions nf_conntrack expect_hashsize=9 \\\n hashsize=100000\n"})
    for key, expected in ((BUCKETS, "100352"), (MAX, "802816"), ("net.nf_conntrack_max", "802816")):
        value = boot(facts, key)
        assert isinstance(value, BootSet)
        assert value.value == expected
        assert str(value.winner.origin) == "/etc/modprobe.d/c.conf:2"
    assert isinstance(boot(facts, LIBERAL), BootUnset)


def test_sysctl_wins_over_hashsize_where_the_module_is_loaded_before_and_loses_where_it_is_not() -> None:
    entries = {**SIZED, "/etc/modprobe.d/c.conf": "options nf_conntrack hashsize=32768\n"}
    lost = boot(node(entries), MAX)
    assert isinstance(lost, BootLost)
    assert lost.value == "262144"
    won = boot(node({**entries, "/etc/modules-load.d/c.conf": "nf_conntrack\n"}), MAX)
    assert isinstance(won, BootSet)
    assert won.value == "524288"


def test_hashsize_of_modprobe_does_not_reach_a_built_in_module() -> None:
    entries = {"/etc/modprobe.d/c.conf": "options nf_conntrack hashsize=32768\n"}
    assert isinstance(boot(node(entries, builtin_modules=frozenset({"nf_conntrack"})), MAX), BootUnset)


def test_second_name_of_the_maximum_decides_the_first() -> None:
    entries = {
        "/etc/sysctl.d/a.conf": f"{MAX}=5000\nnet.nf_conntrack_max=6000\n",
        "/etc/modules-load.d/c.conf": "nf_conntrack",
    }
    value = boot(node(entries), MAX)
    assert isinstance(value, BootSet)
    assert (value.value, value.winner.key) == ("6000", "net.nf_conntrack_max")


def test_read_only_key_refuses_what_a_file_wants() -> None:
    facts = node({**SIZED, "/etc/modules-load.d/c.conf": "nf_conntrack"}, sysctls={MAX: "262144"})
    closed = replace(facts, sysctls={MAX: replace(facts.sysctls[MAX], writable=False)})
    value = boot(closed, MAX)
    assert isinstance(value, BootRefused)
    assert "read-only" in value.reason


def test_key_that_this_kernel_does_not_have_is_lost() -> None:
    facts = node({"/etc/sysctl.d/a.conf": f"{FIN}=5\n"}, sysctls={FIN: Unavailable(Reason.ABSENT)})
    assert isinstance(boot(facts, FIN), BootLost)


@pytest.mark.parametrize(
    ("system", "globs"),
    [
        (os_release("debian", "12"), True),
        (os_release("debian", "13"), True),
        (os_release("debian", "10"), False),
        (os_release("debian", ""), None),
        (os_release("ubuntu", "20.04"), False),
        (os_release("ubuntu", "24.04"), True),
        (os_release("almalinux", "8.10"), False),
        (os_release("almalinux", "9.4"), True),
        (os_release("rhel", "9.4"), True),
        (os_release("opensuse-leap", "15.6"), True),
        (os_release("nixos", "24.11"), None),
    ],
)
def test_release_decides_whether_systemd_reads_wildcards(system: OsRelease, globs: object) -> None:
    model = boot_model(node({}, identity=replace(IDENTITY, os=system)))
    assert (model.reader, model.globs) == ("systemd", globs)


def test_sysctl_conf_takes_part_only_through_a_link() -> None:
    conf = NodeFile(path="/etc/sysctl.conf", kind="file", content=f"{FIN}=30\n".encode())
    link = NodeFile(
        path="/etc/sysctl.d/99-sysctl.conf", kind="link", link="../sysctl.conf", content=f"{FIN}=30\n".encode()
    )
    without = node_facts(files={conf.path: conf})
    assert isinstance(boot(without, FIN), BootUnset)
    assert "is not read" in boot_model(without).sysctl_conf
    linked = node_facts(files={conf.path: conf, link.path: link})
    value = boot(linked, FIN)
    assert isinstance(value, BootSet)
    assert str(value.winner.origin) == "/etc/sysctl.d/99-sysctl.conf:1"
    assert link.path in boot_model(linked).sysctl_conf


def test_unset_key_on_suse_is_unknown_because_the_kernel_package_has_a_file_of_its_own() -> None:
    suse = replace(IDENTITY, os=os_release("opensuse-leap", "15.6"))
    assert isinstance(boot(node({}, identity=suse), FIN), BootUnknown)
    assert isinstance(boot(node({"/etc/sysctl.d/a.conf": f"{FIN}=5"}, identity=suse), FIN), BootSet)


def test_other_process_one_is_unknown_and_says_which() -> None:
    value = boot(node({}, identity=replace(IDENTITY, init="runit")), FIN)
    assert isinstance(value, BootUnknown)
    assert "'runit'" in value.reason


def test_debian_without_systemd_reads_sysctl_conf_last() -> None:
    entries = {"/etc/sysctl.conf": f"{FIN}=30\n", "/etc/sysctl.d/99-z.conf": f"{FIN}=20\n"}
    value = boot(node(entries, identity=replace(IDENTITY, init="init")), FIN)
    assert isinstance(value, BootSet)
    assert value.value == "30"


def _alpine(entries: dict[str, str | bytes]) -> NodeFacts:
    identity = replace(IDENTITY, init="init", os=os_release("alpine", "3.20.1"))
    return node({"/etc/init.d/sysctl": ALPINE_SCRIPT, **entries}, identity=identity)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({"/usr/lib/sysctl.d/zz.conf": f"{FIN}=5\n", "/etc/sysctl.d/a.conf": f"{FIN}=6\n"}, "6"),
        ({"/etc/sysctl.d/a.conf": f"{FIN}=6\n", "/etc/sysctl.conf": f"{FIN}=7\n"}, "7"),
        ({"/lib/sysctl.d/z.conf": f"{FIN}=5\n", "/usr/lib/sysctl.d/a.conf": f"{FIN}=6\n"}, "6"),
    ],
)
def test_alpine_reads_library_then_etc_then_sysctl_conf(entries: dict[str, str | bytes], expected: str) -> None:
    value = boot(_alpine(entries), FIN)
    assert isinstance(value, BootSet)
    assert value.value == expected


@pytest.mark.parametrize("make", [_alpine, node])
@pytest.mark.parametrize(
    ("etc", "run"),
    [
        ({"/etc/sysctl.d/a.conf": f"{FIN}=7\n"}, {"/run/sysctl.d/b.conf": f"{FIN} = 8\n"}),
        ({"/usr/lib/sysctl.d/a.conf": f"{FIN}=6\n"}, {"/run/sysctl.d/a.conf": "# nothing\n"}),
        ({}, {"/run/sysctl.d/a.conf": f"{FIN}=8\n"}),
    ],
)
def test_what_only_a_file_of_run_decides_is_not_known(
    make: Callable[[dict[str, str | bytes]], NodeFacts], etc: dict[str, str | bytes], run: dict[str, str | bytes]
) -> None:
    value = boot(make({**etc, **run}), FIN)
    assert isinstance(value, BootUnknown)
    assert next(iter(run)) in value.reason


def test_a_file_of_run_that_decides_nothing_leaves_nothing_unknown() -> None:
    value = boot(node({"/etc/sysctl.d/z.conf": f"{FIN}=7\n", "/run/sysctl.d/a.conf": f"{FIN}=8\n"}), FIN)
    assert isinstance(value, BootSet)
    assert value.value == "7"


def test_a_module_that_only_a_file_of_run_loads_leaves_its_keys_unknown() -> None:
    entries = {**SIZED, "/run/modules-load.d/a.conf": "nf_conntrack\n"}
    assert isinstance(boot(node(entries), MAX), BootUnknown)


def test_alpine_is_unknown_after_a_line_that_busybox_may_stop_at_until_a_later_file_settles_it() -> None:
    entries: dict[str, str | bytes] = {"/etc/sysctl.d/a.conf": f"kernel.own = x\n{FIN}=6\n"}
    assert isinstance(boot(_alpine(entries), FIN), BootUnknown)
    value = boot(_alpine({**entries, "/etc/sysctl.conf": f"{FIN}=7\n"}), FIN)
    assert isinstance(value, BootSet)


def test_alpine_does_not_take_a_line_before_the_odd_one_for_the_last_word() -> None:
    entries: dict[str, str | bytes] = {"/etc/sysctl.conf": f"{FIN}=5\nkernel.own=5\n{FIN}=6\n"}
    assert isinstance(boot(_alpine(entries), FIN), BootUnknown)


def test_alpine_with_another_script_is_unknown() -> None:
    assert isinstance(boot(_alpine({"/etc/init.d/sysctl": b"sysctl -p\n"}), FIN), BootUnknown)
