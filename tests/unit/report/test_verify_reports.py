import json

import jsonschema
import pytest

from fleet.model.finding import Failure
from fleet.model.verification import TestOutcome, Verification, VerifiedTest
from fleet.report.schema import schemas
from fleet.report.verify_json import verify_json
from fleet.report.verify_status import verify_exit_code
from fleet.report.verify_terminal import render_verification


def control(host: str, outcome: TestOutcome, reason: str = "is 1", details: tuple[str, ...] = ()) -> VerifiedTest:
    return VerifiedTest(
        name="conntrack-max", host=host, is_control=True, outcome=outcome, reason=reason, details=details
    )


def verification(*tests: VerifiedTest, unchecked: str = "") -> Verification:
    names = ("web-1", "web-2", "web-3", "db-1")
    error = Failure(kind="unreachable", message="db-1 refused the connection")
    return Verification(
        run_id="20261120T120000Z-5f2a01",
        started="2026-11-20T12:00:00.000Z",
        finished="2026-11-20T12:00:02.500Z",
        playbook="play.yaml",
        version="0.1.0",
        independent=False,
        hosts={name: error if name == unchecked else None for name in names},
        tests=tests,
    )


OWN = VerifiedTest(name="tests/test_a.py::test_b", host="", is_control=False, outcome="passed")


@pytest.mark.parametrize(
    ("made", "code"),
    [
        (verification(control("web-1", "passed"), control("web-2", "warned"), control("web-3", "skipped"), OWN), 0),
        (verification(control("web-1", "failed")), 3),
        (verification(control("web-1", "error")), 3),
        (verification(control("web-1", "failed"), unchecked="db-1"), 1),
    ],
)
def test_a_host_that_could_not_be_checked_outweighs_a_failure(made: Verification, code: int) -> None:
    assert verify_exit_code(made) == code


def test_each_failure_is_told_once_with_the_hosts_that_share_it() -> None:
    same = [control(host, "failed", "is 5, expected 9", ("behind it",)) for host in ("web-1", "web-2")]
    made = verification(*same, control("web-3", "warned", "is 7"), OWN, unchecked="db-1")
    told = render_verification(made, verbosity=0, width=None).plain
    assert told == (
        "! not checked  db-1  unreachable: db-1 refused the connection\n"
        "\n"
        "✗ failed  conntrack-max  all 3 checked hosts but web-3\n"
        "  is 5, expected 9\n"
        "  behind it\n"
        "\n"
        "4 hosts, 4 tests: 2 failed, 1 warned, 1 passed"
    )
    more = render_verification(made, verbosity=1, width=None).plain
    assert "▲ warned  conntrack-max  web-3\n  is 7" in more
    assert "✓ passed  tests/test_a.py::test_b\n" in render_verification(made, verbosity=2, width=None).plain


def test_text_of_a_node_cannot_steer_the_terminal() -> None:
    made = verification(control("web-1", "failed", "is \x1b[2J", ("\x1b[31m",)))
    assert "\x1b" not in render_verification(made, verbosity=2, width=80).plain
    assert "\x1b" not in verify_json(made)


def test_json_holds_to_its_schema() -> None:
    data = json.loads(verify_json(verification(control("web-1", "failed", "is 5", ("a", "b")), OWN, unchecked="db-1")))
    jsonschema.Draft202012Validator(schemas()["verify"]).validate(data)
    assert data["summary"] == {
        "hosts": 4,
        "unchecked": 1,
        "tests": 2,
        "passed": 1,
        "warned": 0,
        "failed": 1,
        "error": 0,
        "skipped": 0,
    }
    assert data["hosts"]["db-1"] == {
        "error": {"kind": "unreachable", "message": "db-1 refused the connection"},
        "tests": [],
    }
    assert [test["test"] for test in data["tests"]] == ["tests/test_a.py::test_b"]
    assert data["hosts"]["web-1"]["tests"][0]["details"] == ["a", "b"]
