import pytest
from support.kernel import node

from fleet.kernel.unitfile import unit_commands
from fleet.kernel.units import unguarded_lines

_UNIT = "/etc/systemd/system/kubelet.service"
_SYSCTL = "/usr/sbin/sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1"


def _problems(*lines: str, **files: str) -> list[tuple[str, ...]]:
    content = "\n".join(("[Service]", *lines, "ExecStart=/usr/bin/kubelet", ""))
    return [line.problems for line in unguarded_lines(node(files={_UNIT: content} | files))]


@pytest.mark.parametrize(
    "line",
    [
        "ExecStartPre=-/sbin/modprobe br_netfilter",
        "ExecStartPre=-/usr/sbin/sysctl -w net.ipv4.ip_forward=1",
        "ExecStartPre=@-/usr/sbin/sysctl sysctl -w net.ipv4.ip_forward=1",
        "ExecStartPre=/bin/sh -c 'modprobe nf_conntrack || true'",
        "ExecStartPre=/usr/bin/test -e /etc/sysctl.d",
        "ExecStart=/usr/sbin/sysctl -w net.ipv4.ip_forward=1",
        "# ExecStartPre=sysctl -w net.ipv4.ip_forward=1",
    ],
)
def test_a_guarded_or_unrelated_line_is_no_problem(line: str) -> None:
    assert _problems(line) == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("ExecStartPre=/sbin/modprobe br_netfilter", "stops the unit"),
        ("ExecStartPre=/usr/sbin/sysctl -w net.ipv4.ip_forward=1", "stops the unit"),
        ("ExecStartPre=+/usr/sbin/sysctl -w net.ipv4.ip_forward=1", "stops the unit"),
        ("ExecStartPre=/bin/sh -c 'sysctl -w net.ipv4.ip_forward=1'", "stops the unit"),
        ("ExecStartPre = /usr/sbin/sysctl \\\n  -w net.ipv4.ip_forward=1", "stops the unit"),
        ("ExecStartPre=-sysctl -w net.ipv4.ip_forward=1", "no absolute path"),
        (f"ExecStartPre=-{_SYSCTL}", "runs before nf_conntrack is loaded"),
        ("ExecStartPre=-/usr/sbin/sysctl --system", "every sysctl file"),
        ("ExecStartPre=-/usr/sbin/sysctl -q --system", "every sysctl file"),
    ],
)
def test_each_risky_line_is_told_with_its_problem(line: str, problem: str) -> None:
    (problems,) = _problems(line)
    assert len(problems) == 1
    assert problem in problems[0]


def test_the_line_of_the_incident_is_told_with_file_line_and_every_problem() -> None:
    drop_in = "/etc/systemd/system/kubelet.service.d/10-liberal.conf"
    content = "[Service]\n\nExecStartPre=sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1\n"
    (line,) = unguarded_lines(node(files={drop_in: content}))
    assert str(line).startswith(f"{drop_in}:3: sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1: ")
    assert len(line.problems) == 3


@pytest.mark.parametrize(
    "files",
    [
        {"/etc/modules-load.d/nf_conntrack.conf": "# for sysctl\nnf_conntrack\n"},
        {"/usr/lib/modules-load.d/k8s.conf": "overlay\nnf_conntrack\n"},
        {"/etc/modules": "nf_conntrack\n"},
    ],
)
def test_a_module_that_is_loaded_at_boot_is_there_in_time(files: dict[str, str]) -> None:
    assert _problems(f"ExecStartPre=-{_SYSCTL}", **files) == []


def test_a_masked_list_of_modules_loads_nothing() -> None:
    files = {"/etc/modules-load.d/a.conf": "-> /dev/null", "/usr/lib/modules-load.d/a.conf": "nf_conntrack\n"}
    assert len(_problems(f"ExecStartPre=-{_SYSCTL}", **files)) == 1


def test_a_built_in_module_is_always_there() -> None:
    files = {_UNIT: f"[Service]\nExecStartPre=-{_SYSCTL}\n"}
    assert unguarded_lines(node(files=files, builtin_modules=frozenset({"nf_conntrack"}))) == ()


def test_the_order_of_module_and_sysctl_counts() -> None:
    modprobe = "ExecStartPre=-/sbin/modprobe nf_conntrack"
    assert _problems(modprobe, f"ExecStartPre=-{_SYSCTL}") == []
    assert len(_problems(f"ExecStartPre=-{_SYSCTL}", modprobe)) == 1


def test_drop_ins_come_after_the_unit_by_name_and_the_stronger_directory_counts() -> None:
    files = {
        "/usr/lib/systemd/system/kubelet.service": "[Service]\nExecStartPre=/hidden\n",
        "/etc/systemd/system/kubelet.service": "[Service]\nExecStartPre=/one\n",
        "/usr/lib/systemd/system/kubelet.service.d/10-a.conf": "[Service]\nExecStartPre=/two\n",
        "/etc/systemd/system/kubelet.service.d/20-b.conf": "[Service]\nExecStartPre=/four\n",
        "/run/systemd/system/kubelet.service.d/15-c.conf": "[Service]\nExecStartPre=/three\n",
        "/usr/lib/systemd/system/kubelet.service.d/15-c.conf": "[Service]\nExecStartPre=/weaker\n",
        "/etc/systemd/system/kubelet.service.d/30-d.conf": "-> /dev/null",
        "/usr/lib/systemd/system/kubelet.service.d/30-d.conf": "[Service]\nExecStartPre=/masked\n",
        "/etc/systemd/system/kubelet.service.d/40-e.txt": "[Service]\nExecStartPre=/no-conf\n",
        "/etc/systemd/system/k3s.service.d/40-e.conf": "[Service]\nExecStartPre=/other\n",
    }
    commands = unit_commands(node(files=files).files, "kubelet", "ExecStartPre")
    assert [command.text for command in commands] == ["/one", "/two", "/three", "/four"]


def test_an_empty_directive_forgets_those_before_it() -> None:
    files = {
        _UNIT: "[Service]\nExecStartPre=/one\n",
        f"{_UNIT}.d/10-a.conf": "[Service]\nExecStartPre=\nExecStartPre=/two\n",
    }
    commands = unit_commands(node(files=files).files, "kubelet", "ExecStartPre")
    assert [(command.text, command.line) for command in commands] == [("/two", 3)]


def test_other_sections_and_continued_comments_are_left_out() -> None:
    text = "[Unit]\nExecStartPre=/unit\n[Service]\nExecStartPre=/a \\\n# a note\n  b \\\n  c\n"
    commands = unit_commands(node(files={_UNIT: text}).files, "kubelet", "ExecStartPre")
    assert [(command.text, command.line) for command in commands] == [("/a b c", 4)]
