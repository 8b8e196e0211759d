"""What a schedule writes, without a systemd or a cron that reads it."""

import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.drift.schedule.cron import Cron, cron_file
from fleet.drift.schedule.files import check_free, is_ours, write_all
from fleet.drift.schedule.quoting import command_line, single_path
from fleet.drift.schedule.units import MARK, service_unit, timer_unit
from fleet.model.errors import UsageError
from fleet.model.schedule import Schedule

ONE = Schedule(
    name="play",
    command=("/usr/bin/fleet", "drift", "/srv/play.yaml"),
    directory=Path("/srv"),
    every=900,
    calendar=None,
    state_dir=Path("/srv/.fleet"),
)


def every(seconds: int) -> str:
    return cron_file(replace(ONE, every=seconds), "desk").splitlines()[1].split(" root ")[0]


def test_cron_checks_as_often_as_asked_for_and_machines_at_different_minutes() -> None:
    minutes, *rest = every(900).split()
    assert rest == ["*", "*", "*", "*"]
    assert re.fullmatch(r"(\d+)-59/15", minutes)
    assert re.fullmatch(r"\d+ [0-5]-23/6 \* \* \*", every(6 * 3600))
    assert re.fullmatch(r"\d+ \d+-23/24 \* \* \*", every(24 * 3600))
    assert len({cron_file(ONE, f"machine-{number}") for number in range(30)}) > 5


@pytest.mark.parametrize("seconds", [61, 420, 3660, 7 * 3600])
def test_cron_refuses_times_that_it_would_not_keep(seconds: int) -> None:
    with pytest.raises(UsageError, match="cron counts in parts of an hour or a day"):
        every(seconds)


def test_cron_refuses_what_it_would_take_for_the_end_of_the_line() -> None:
    for path in ("/srv/100%", "/srv/a\nb"):
        with pytest.raises(UsageError, match="cron cannot use a path with %"):
            cron_file(replace(ONE, directory=Path(path)), "desk")
    with pytest.raises(UsageError, match="with --cron use --every"):
        cron_file(replace(ONE, every=None, calendar="daily"), "desk")


def test_line_of_cron_runs_the_command_with_any_words_and_never_twice_at_once(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s $HOME `x` "q"'
    (folder / "state").mkdir(parents=True)
    program = folder / "program"
    program.write_text('#!/bin/sh\npwd >out\nprintf "%s\\0" "$@" >>out\nsh -c "$AGAIN"\n')
    program.chmod(0o755)
    words = ("a b", "$HOME", "'", "`id`", "\\", "*", "")
    wanted = replace(ONE, command=(str(program), *words), directory=folder, state_dir=folder / "state")
    line = cron_file(wanted, "desk").splitlines()[1].split(" root ", 1)[1]
    again = f"{shlex.join(('flock', '-n', str(folder / 'state'), 'true'))}; echo $? >again"
    subprocess.run(["sh", "-c", line], check=True, timeout=60, env={"PATH": "/usr/bin:/bin", "AGAIN": again})
    place, _, rest = (folder / "out").read_text().partition("\n")
    assert (place, rest.split("\0")[:-1]) == (str(folder), [*words])
    assert (folder / "again").read_text() == "1\n"


def test_cron_keeps_its_schedules_apart_from_what_others_have_written(tmp_path: Path) -> None:
    cron = Cron(folder=tmp_path)
    (tmp_path / "fleet-drift-other").write_text("0 0 * * * root true\n")
    write_all(cron.files(ONE))
    assert cron.names() == ("play",)
    assert (tmp_path / "fleet-drift-play").stat().st_mode & 0o777 == 0o644
    with pytest.raises(UsageError, match=r"no schedule 'other' in .* \(there are: play\)"):
        cron.remove("other")
    assert cron.remove("play") == (tmp_path / "fleet-drift-play",)
    assert [path.name for path in tmp_path.iterdir()] == ["fleet-drift-other"]


def test_link_is_never_ours_though_it_leads_to_what_is(tmp_path: Path) -> None:
    ours, link = tmp_path / "ours", tmp_path / "link"
    write_all({ours: f"{MARK}\n"})
    link.symlink_to(ours)
    assert (is_ours(ours), is_ours(link)) == (True, False)
    with pytest.raises(UsageError, match=r"link is there and was not made by fleet schedule"):
        check_free([ours, link])
    link.unlink()
    link.symlink_to("/dev/null")
    with pytest.raises(UsageError):
        check_free([link])


@given(st.lists(st.text(), min_size=1))
def test_word_becomes_one_line_of_a_unit_or_is_refused(words: list[str]) -> None:
    try:
        line = command_line(("/bin/true", *words))
    except UsageError:
        assert not all(word.isprintable() for word in words)
        return
    assert line.isprintable()
    assert "%" not in line.replace("%%", "")
    assert "$" not in line.replace("$$", "")


@pytest.mark.parametrize("path", ["/srv/x ", "/srv/x\\", "/srv/a\nb", "/srv/\udc80"])
def test_path_that_systemd_would_cut_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        single_path(Path(path))


def test_program_that_systemd_would_not_start_is_refused() -> None:
    for path in ("/opt/it's", '/opt/"x"', "/opt/a\\b"):
        with pytest.raises(UsageError, match="quote or a backslash"):
            command_line((path,))


def test_times_of_a_timer() -> None:
    often = timer_unit(ONE)
    assert "OnUnitActiveSec=900s\nRandomizedDelaySec=90s\n" in often
    assert "Persistent" not in often
    daily = timer_unit(replace(ONE, every=None, calendar="Mon..Fri 06:00"))
    assert "OnCalendar=Mon..Fri 06:00\nPersistent=true\n" in daily


def test_units_of_a_user_are_found_sound_by_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs systemd-analyze")
    wanted = replace(ONE, command=("/bin/true", "%h", "$HOME"), directory=Path("/"), calendar="daily", every=None)
    service = service_unit(wanted, of_root=False, known_hosts=Path("/root/.ssh/known_hosts"))
    assert "ProtectSystem" not in service  # a user's systemd may not be allowed to
    for name, text in (("service", service), ("timer", timer_unit(wanted))):
        (tmp_path / f"fleet-drift-play.{name}").write_text(text)
    units = [str(tmp_path / f"fleet-drift-play.{name}") for name in ("service", "timer")]
    done = subprocess.run(
        ["systemd-analyze", "--user", "verify", *units],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, "")
