"""Hostile text in every input: refused with the variable's name, or inert in what the node reads."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.hostile import TRICKS
from support.render import (
    PLAYBOOK,
    REASON,
    SETTINGS,
    TEMPLATES,
    drop_in,
    ipvs,
    line,
    modprobe,
    modules,
    patch,
    snippet,
    sysctl,
)

from fleet.document import parse
from fleet.kernel.boot.procps import read_procps
from fleet.kernel.boot.systemd import read_systemd
from fleet.kernel.unitfile import unit_commands
from fleet.model.facts import NodeFile
from fleet.render import RenderedFile, RenderError, SysctlLine, modprobe_hashsize_file, sysctl_file

ATTACKS = [
    *TRICKS,
    "1\nkernel.core_pattern = |/tmp/x",
    "1\r\nkernel.core_pattern=x",
    "1\rkernel.core_pattern=x",
    "1\0kernel.core_pattern=x",
    "1\x85x\u2028y",
    "1\\",
    "1\\\n",
    "{{ 7 * 7 }}",
    "{% include '/etc/passwd' %}",
    "{# x #}",
    "$(id)",
    "`id`",
    "${HOME}",
    "$HOME",
    "1; reboot",
    "1 ; /bin/sh -c reboot",
    "1 && reboot",
    "| reboot",
    '1" "/bin/sh',
    "1' '",
    "%n%H%%",
    "\\x41\\n",
    "-1",
    "=1",
    "#1",
    "1 # note",
    ";1",
    "/etc/sysctl.d/../shadow.conf",
    "/etc/sysctl.d/./x.conf",
    "/etc//x.conf",
    "etc/sysctl.d/x.conf",
    "/etc/sysctl.d/x.conf\n",
    "/etc/sysctl.d/a b.conf",
    "/etc/sysctl.d/*.conf",
    "net.ipv4.tcp_fin_timeout = 1\nx",
    "-net.ipv4.tcp_fin_timeout",
    "net.ipv4.conf.*.rp_filter",
    "net.ipv4.[a-z]",
    "net.ipv4.{a,b}",
    "net.ipv4...kernel.panic",
    "net.ipv4./../../kernel.panic",
    "net.ipv4//../kernel.panic",
    "net.ipv4.conf.//.kernel",
    "net/ipv4/tcp_fin_timeout",
    "../../etc/passwd",
    "nf_conntrack\nremove",
    "nf_conntrack; x",
    "--flag",
    "a=b",
    'x"]\nserver: evil',
]
hostile = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=40),
    st.text(st.sampled_from("\n\r\0\t \\\"'#;%${}[]*?=-./:|&`~a1\x85\u2028"), max_size=12),
    st.tuples(st.sampled_from(["1", "net.ipv4.tcp_fin_timeout", "/etc/x.conf"]), st.text(max_size=8)).map("".join),
)


Test = TypeVar("Test", bound=Callable[..., None])


def attacked(count: int) -> Callable[[Test], Test]:
    """Try each known attack in all of a test's inputs at once, besides what hypothesis thinks of."""

    def decorate(test: Test) -> Test:
        for attack in ATTACKS:
            test = example(*[attack] * count)(test)
        return test

    return decorate


def on_node(*rendered: RenderedFile) -> dict[str, NodeFile]:
    return {file.path: NodeFile(path=file.path, kind="file", content=file.content) for file in rendered}


def set_by(file: RenderedFile) -> list[dict[str, str]]:
    """What the file sets for systemd and for procps, by key."""
    programs = (read_systemd(on_node(file)), read_procps(on_node(file), version=None))
    for program in programs:
        assert not program.blinds
        assert all(entry.assignment is not None and entry.target is not None for entry in program.read)
    return [
        {each.assignment.key: each.assignment.value for each in program.read if each.assignment} for program in programs
    ]


def wanted(settings: Iterable[SysctlLine]) -> dict[str, str]:
    return {each.key: " ".join(each.value.split()) for each in settings}


def tried(render: Callable[[], RenderedFile]) -> RenderedFile | None:
    """The file; None where the input is refused with the variable's name in front."""
    try:
        return render()
    except RenderError as error:
        refusal = str(error)
    assert re.match(r"(key|value of \S.*|control|path|module|name): ", refusal), refusal
    assert refusal.isprintable()
    return None


@attacked(3)
@given(hostile, hostile, hostile)
def test_a_sysctl_file_sets_exactly_the_given_keys_whatever_the_text_around_them(
    playbook: str, why: str, other: str
) -> None:
    settings = [line(each.key, each.value, control=each.control, why=why + other) for each in SETTINGS]
    assert set_by(sysctl(*settings, playbook=playbook)) == [wanted(settings)] * 2


@attacked(1)
@given(hostile)
def test_a_hostile_value_is_refused_or_is_the_value(value: str) -> None:
    settings = [line("net.ipv4.tcp_fin_timeout", value), line("net.core.somaxconn", "4096")]
    if file := tried(lambda: sysctl(*settings)):
        assert set_by(file) == [wanted(settings)] * 2


@attacked(1)
@given(hostile)
def test_a_hostile_key_is_refused_or_is_the_key(key: str) -> None:
    settings = [line(key, "1"), line("net.core.somaxconn", "4096")]
    if file := tried(lambda: sysctl(*settings)):
        assert set_by(file) == [wanted(settings)] * 2
        names = {entry.name for entry in read_systemd(on_node(file)).read}
        assert all(b".." not in name.split(b"/") for name in names)


@attacked(1)
@given(hostile)
def test_a_hostile_control_is_refused(control: str) -> None:
    file = tried(lambda: sysctl(line("net.core.somaxconn", "1", control=control)))
    assert file is None or re.fullmatch(r"[a-z0-9-]+", control)


@attacked(1)
@given(hostile)
def test_a_hostile_path_is_refused_or_plain(path: str) -> None:
    file = tried(lambda: sysctl_file(TEMPLATES, path=path, settings=SETTINGS, playbook=PLAYBOOK))
    if file:
        assert str(Path(path)) == path
        assert path.startswith("/")
        assert path.endswith(".conf")
        assert ".." not in path.split("/")


@attacked(2)
@given(hostile, hostile)
def test_a_modules_file_loads_exactly_the_given_modules(module: str, why: str) -> None:
    file = tried(lambda: modules("br_netfilter", module, why=why))
    if file:
        lines = [each for each in re.split(rb"[\n\r\0]", file.content) if each and not each.startswith((b"#", b";"))]
        assert lines == [b"br_netfilter", module.encode()]


@attacked(2)
@given(hostile, hostile)
def test_a_modprobe_file_has_exactly_its_option(playbook: str, why: str) -> None:
    """A backslash goes on with a line before comments are looked for, so it is undone first."""
    content = modprobe(playbook=playbook, why=why, buckets=5).content.decode()
    lines = [each.split() for each in content.replace("\\\n", "").split("\n")]
    assert [each for each in lines if each and not each[0].startswith("#")] == [
        ["options", "nf_conntrack", "hashsize=5"]
    ]
    assert "\0" not in content
    assert "\r" not in content


@attacked(2)
@given(hostile, hostile)
def test_a_drop_in_runs_exactly_its_commands(value: str, why: str) -> None:
    settings = [line("net.ipv4.tcp_fin_timeout", value, why=why), line("net.core.somaxconn", "4096", why=why)]
    file = tried(lambda: drop_in("k3s", *settings))
    if file:
        commands = [command.text for command in unit_commands(on_node(file), "k3s", "ExecStartPre")]
        folded = wanted(settings)
        assert commands == [f'-/sbin/sysctl -w "{key}={folded[key]}"' for key in folded]
        assert not set("%$\\'\";`\n") & set(folded["net.ipv4.tcp_fin_timeout"])


@attacked(1)
@given(hostile)
def test_units_hold_no_line_beyond_their_own_whatever_the_reason(why: str) -> None:
    def effective(file: RenderedFile) -> list[str]:
        return [each for each in re.split(r"[\n\r\0]", file.content.decode()) if each and not each.startswith("#")]

    assert effective(ipvs(why=why)) == effective(ipvs(why="plain"))


@attacked(2)
@given(hostile, hostile)
def test_a_k3s_file_has_exactly_its_arguments(text: str, why: str) -> None:
    for name, value in ((text, "1"), ("v", text)):
        file = tried(lambda name=name, value=value: snippet(("x", "4"), (name, value), why=why))
        if file:
            assert parse(file.content, file.path).data == {"kube-proxy-arg+": ["x=4", f"{name}={value}"]}


@attacked(1)
@given(hostile)
def test_a_patch_has_exactly_its_fields_whatever_the_reason(why: str) -> None:
    assert parse(patch(("conntrack.min", 5), why=why).encode(), "patch").data == {"conntrack": {"min": 5}}


@attacked(1)
@given(hostile)
def test_a_hostile_field_is_refused(name: str) -> None:
    with pytest.raises(RenderError, match=r"^name: "):
        patch((name, 1))


@attacked(1)
@given(hostile)
def test_a_hostile_service_is_refused(service: str) -> None:
    with pytest.raises(RenderError, match=r"^service: "):
        drop_in(service)  # type: ignore[arg-type]  # which is what is tried


@given(st.one_of(st.integers(), st.booleans(), st.floats(), hostile))
def test_a_hostile_number_is_refused_or_is_the_number(number: object) -> None:
    refusal = ""
    try:
        file = modprobe_hashsize_file(
            TEMPLATES,
            path="/etc/modprobe.d/fleet.conf",
            buckets=number,  # type: ignore[arg-type]  # which is what is tried
            reason=REASON,
            playbook=PLAYBOOK,
        )
    except RenderError as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith("buckets: ")
    else:
        assert file.content.endswith(b"hashsize=%d\n" % number)
        assert number is not True
