"""What is sent to a node: data is quoted, names are checked, and a program that was cut off runs nothing."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.node import NONCE, file_change, job, plan, sysctl_change
from support.probe import SHELLS

from fleet.plan.model import Change, FileState
from fleet.rollout.node import apply_program, confirm_program, status_program, undo_program

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=200)


def unit(target: str, after: str) -> Change:
    return Change(kind="unit", target=target, before=None, after=after, diff="", reason="", controls=())


def module(target: str) -> Change:
    return Change(kind="module", target=target, before="not loaded", after="loaded", diff="", reason="", controls=())


def calls(program: bytes) -> str:
    """The generated part of a program."""
    return program.decode().split('{ begin "$@"\n')[1]


def words_in_shell(call: str, shell: str = "dash") -> list[str]:
    """What a function gets that is called like this."""
    name = call.split(maxsplit=1)[0]
    script = f'{name}() {{ for word; do printf "%s\\0" "$word"; done; }}\n{call}\n'
    done = subprocess.run([*SHELLS[shell], "-s"], input=script.encode(), capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@given(content=TEXT)
@settings(max_examples=50)
def test_any_text_arrives_as_it_is(content: str) -> None:
    program = calls(apply_program(NONCE, job(), plan(file_change("/etc/x.conf", None, content))))
    call = program[program.index("change_file") : program.rindex("\napply\n")]
    assert words_in_shell(call)[-1] == content


@pytest.mark.parametrize("shell", SHELLS)
def test_hostile_text_and_paths_arrive_as_they_are(shell: str) -> None:
    content = "'; touch /tmp/x; '\"$(id)`id`\\\n!{}*?[a]~ \t\x01é\n}\n{ apply; }\n"
    path = "/etc/sysctl.d/a b'c$(id)`id`;x\"\\.conf"
    program = calls(apply_program(NONCE, job(who="ops'; id; '@desk"), plan(file_change(path, None, content))))
    call = program[program.index("change_file") : program.rindex("\napply\n")]
    words = words_in_shell(call, shell)
    assert (words[0], words[-1]) == (path, content)
    assert words_in_shell(program.splitlines()[0], shell)[1] == "ops'; id; '@desk"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_program_that_was_cut_off_anywhere_runs_nothing(shell: str, tmp_path: Path) -> None:
    """Whatever it ran would call a program, and every program here leaves a trace."""
    trace = tmp_path / "trace"
    path = tmp_path / "bin"
    path.mkdir()
    for name in ("cat", "ls", "mkdir", "flock", "sync", "sha256sum", "cp", "mv", "rm", "date", "readlink", "rmdir"):
        (path / name).write_text(f"#!/bin/sh\necho {name} >>{trace}\n")
        (path / name).chmod(0o755)
    program = apply_program(NONCE, job(), plan(file_change("/etc/x'y.conf", "a'b\n", "c'd\n}\n")))
    end = program.rindex(b"}")
    # Harmless on any machine: it asks for a run that nobody has.
    whole = subprocess.run(
        [*SHELLS[shell], "-s", "--", NONCE],
        input=status_program(NONCE, "none"),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert whole.stdout.endswith(f"{NONCE} end\n".encode())
    cuts = {*range(0, end, len(program) // 150), *range(end - 60, end)}
    for cut in sorted(cuts):
        done = subprocess.run(
            [*SHELLS[shell], "-s", "--", NONCE],
            input=program[:cut],
            capture_output=True,
            check=False,
            timeout=60,
            env={"PATH": str(path)} if shell != "busybox" else {"PATH": f"{path}:/usr/bin"},
            executable=f"/usr/bin/{SHELLS[shell][0]}",
        )
        assert done.stdout == b"", (cut, done)
        assert not trace.exists(), (cut, trace.read_text())


def test_nothing_but_the_nonce_is_an_argument_and_the_nonce_is_not_in_the_program() -> None:
    assert NONCE.encode() not in apply_program(NONCE, job(), plan(sysctl_change("net.ipv4.tcp_fin_timeout", "60", "3")))


def test_programs_never_apply_the_files_of_the_node_as_a_whole() -> None:
    change = plan(unit("k3s.service", "restarted"), file_change("/etc/x", None, ""))
    programs = (
        apply_program(NONCE, job(restart=("k3s",)), change),
        confirm_program(NONCE, "run"),
        undo_program(NONCE, "run", force=True),
        status_program(NONCE),
    )
    for program in programs:
        text = program.decode()
        assert "sysctl --system" not in text
        assert "sysctl -p" not in text
        commands = [line for line in text.splitlines() if not line.startswith(("Before=", "After="))]
        assert not any("systemd-sysctl" in line for line in commands)
        assert not any(line.lstrip().startswith("sysctl ") for line in commands)


@pytest.mark.parametrize(
    "change",
    [
        file_change("relative", None, "x"),
        file_change("/etc/../root/x", None, "x"),
        file_change("/etc//x", None, "x"),
        file_change("/etc/x\ny", None, "x"),
        file_change("/etc/x ", None, "x"),
        file_change("/etc/x\x1b[2J", None, "x"),
        file_change("/etc/x", None, "a\0b"),
        sysctl_change("net.ipv4.x;y", "1", "2"),
        sysctl_change("net.ipv4../../../etc/passwd", "1", "2"),
        sysctl_change("net/../../etc/passwd", "1", "2"),
        sysctl_change("net.ipv4.tcp_fin_timeout", "1", "2\n3"),
        module("../x"),
        module("-r"),
        module("a b"),
        unit("x.socket", "enabled"),
        unit("x.timer", "restarted"),
        unit("--now.service", "enabled"),
        unit("x.service", "masked"),
        unit("k3s.service", "restarted"),
    ],
)
def test_what_is_no_name_or_value_is_refused(change: Change) -> None:
    with pytest.raises(ValueError, match=r"not |no value|cannot become|NUL|restarts"):
        apply_program(NONCE, job(), plan(change))


@pytest.mark.parametrize("run", ["", "../x", "a/b", "a b", "-x", ".x", "x" * 65, "x\n"])
def test_what_is_no_run_is_refused(run: str) -> None:
    for build in (confirm_program, undo_program, status_program):
        with pytest.raises(ValueError, match="not the name of a run"):
            build(NONCE, run)
    with pytest.raises(ValueError, match="not the name of a run"):
        apply_program(NONCE, job(run_id=run), plan())


def test_a_nonce_of_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="nonce"):
        status_program("not hexadecimal")


def test_a_service_may_be_named_with_and_without_its_suffix() -> None:
    for name in ("k3s", "k3s.service"):
        assert "change_unit k3s.service restarted" in calls(
            apply_program(NONCE, job(restart=(name,)), plan(unit("k3s.service", "restarted")))
        )


def test_the_timer_of_the_checker_may_always_be_started_again() -> None:
    program = apply_program(NONCE, job(), plan(unit("fleet-check.timer", "restarted")))
    assert "change_unit fleet-check.timer restarted" in calls(program)


def test_a_part_of_a_second_is_a_second_more() -> None:
    assert calls(apply_program(NONCE, job(confirm_within=2.1), plan())).splitlines()[0].endswith(" 3")


def test_masked_and_unreadable_files_and_targets_are_not_compared_on_the_node() -> None:
    files = {
        "/etc/masked": FileState(kind="file", sha256="1" * 64, masked=True),
        "/etc/unreadable": FileState(kind="unreadable"),
        "/etc/target": FileState(kind="absent"),
        "/etc/other": FileState(kind="link", link="/dev/null"),
    }
    program = calls(apply_program(NONCE, job(), plan(file_change("/etc/target", None, "x"), files=files)))
    assert [line for line in program.splitlines() if line.startswith("expect_file")] == [
        "expect_file /etc/other link - /dev/null"
    ]


def test_a_key_with_a_dot_in_its_interface_is_found() -> None:
    program = calls(apply_program(NONCE, job(), plan(sysctl_change("net.ipv4.conf.eth0/100.rp_filter", "0", "2"))))
    assert (
        "change_sysctl net.ipv4.conf.eth0/100.rp_filter /proc/sys/net/ipv4/conf/eth0.100/rp_filter known 0 2" in program
    )


def test_bytes_that_are_not_text_travel_as_base64() -> None:
    change = file_change("/etc/x", None, "/wD+", encoding="base64")
    assert calls(apply_program(NONCE, job(), plan(change))).splitlines()[2].endswith(" 0644 base64 /wD+")
