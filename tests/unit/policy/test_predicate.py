"""What each condition accepts, and how it says what it wants."""

import pytest

from fleet.policy.expression import compile_expression
from fleet.policy.predicate import Predicate, PredicateError, Term

RANGE = "net.ipv4.ip_local_port_range"
RESERVED = "net.ipv4.ip_local_reserved_ports"
LIBERAL = "net.netfilter.nf_conntrack_tcp_be_liberal"
MAX = "net.netfilter.nf_conntrack_max"


def predicate(**terms: object) -> Predicate:
    return Predicate(tuple(Term(name, operand) for name, operand in terms.items()))


@pytest.mark.parametrize(
    ("terms", "key", "value", "violation"),
    [
        ({"equals": 1}, LIBERAL, "1", None),
        ({"equals": 1}, LIBERAL, "0", "is 0, expected 1"),
        ({"equals": "32768 60999"}, RANGE, "32768\t60999", None),
        ({"equals": "30000-32767,8080"}, RESERVED, "8080,30000-32767", None),
        ({"equals": "8080"}, RESERVED, "", "is empty, expected 8080"),
        ({"equals": "bbr"}, "net.ipv4.tcp_congestion_control", "cubic", "is cubic, expected bbr"),
        ({"at_least": 131_072}, MAX, "131072", None),
        ({"at_least": 131_072}, MAX, "65536", "is 65536, expected at least 131072"),
        ({"at_most": 120}, "net.ipv4.tcp_fin_timeout", "121", "is 121, expected 120 or less"),
        ({"at_least": 5, "at_most": 120}, "net.ipv4.tcp_fin_timeout", "4", "is 4, expected 5 to 120"),
        ({"at_least": 5, "at_most": 120}, "net.ipv4.tcp_fin_timeout", "-1", "is -1, expected 5 to 120"),
        ({"one_of": (0, 2)}, "net.ipv4.conf.all.rp_filter", "2", None),
        ({"one_of": (0, 2)}, "net.ipv4.conf.all.rp_filter", "1", "is 1, expected 0 or 2"),
        ({"covers": "30000-32767"}, RESERVED, "8080,30000-32767", None),
        ({"covers": "30000-32767"}, RESERVED, "8080", "is 8080, expected all ports of 30000-32767"),
        ({"avoids": "30000-32767"}, RANGE, "32768 60999", None),
        ({"avoids": "30000-32767"}, RANGE, "1024 65535", "is 1024 65535, expected no port of 30000-32767"),
        ({"avoids": ""}, RANGE, "1024 65535", None),
        ({"equals": True}, None, True, None),
        ({"equals": True}, None, False, "is false, expected true"),
        ({"equals": 1}, None, True, "is true, expected 1"),
        ({"at_most": 90}, None, 92.3456, "is 92.35, expected 90 or less"),
        ({"at_most": 8}, None, 8.0, None),
        ({"avoids": "30000-32767"}, None, [22, 30080], "is 22, 30080, expected no port of 30000-32767"),
        ({"empty": True}, None, [], None),
        ({"empty": True}, None, [6443, 10250], "has 6443, 10250, expected none"),
        ({"empty": False}, None, [], "has none, expected at least one"),
        ({"loaded": True}, None, True, None),
        ({"loaded": True}, None, False, "is not loaded, expected loaded"),
        ({"loaded": False}, None, True, "is loaded, expected not loaded"),
        ({"exists": True}, None, None, "is absent, expected present"),
        ({"exists": True}, None, b"", None),
        ({"exists": True}, None, "directory", None),
        ({"exists": False}, None, b"x", "is present, expected absent"),
        ({"content": "nf_conntrack\n"}, None, b"nf_conntrack\n", None),
        ({"content": "a\n"}, None, b"b\n", "has other content, expected the content that the control gives"),
        ({"content": "a\n"}, None, None, "is absent, expected the content that the control gives"),
        ({"equals": "x"}, None, "\x1b[31m" + "y" * 200, "is \\x1b[31m" + "y" * 111 + "…, expected x"),
    ],
)
def test_a_value_is_accepted_or_the_violation_is_told(
    terms: dict[str, object], key: str | None, value: object, violation: str | None
) -> None:
    assert predicate(**terms).check(value, key=key) == violation


@pytest.mark.parametrize(
    ("terms", "key", "value", "reason"),
    [
        ({"at_least": 1}, MAX, "many", "many is not a number"),
        ({"at_least": 1}, None, True, "true is not a number"),
        ({"at_least": "x"}, MAX, "1", "x is not a number"),
        ({"avoids": "30000-32767"}, RANGE, "60999 32768", "is not a list of ports"),
        ({"covers": "70000"}, RESERVED, "8080", "is not a list of ports"),
    ],
)
def test_what_cannot_be_judged_is_an_error_and_no_verdict(
    terms: dict[str, object], key: str | None, value: object, reason: str
) -> None:
    with pytest.raises(PredicateError) as refusal:
        predicate(**terms).check(value, key=key)
    assert reason in str(refusal.value)


def test_operands_are_described_plainly_and_expressions_resolved() -> None:
    unresolved = predicate(at_least=compile_expression("a * 2"), one_of=(compile_expression("b"), 7))
    assert unresolved.describe() == "at least {{ a * 2 }} and {{ b }} or 7"
    resolved = unresolved.resolve({"a": 131_072, "b": 5})
    assert resolved.describe() == "at least 262144 and 5 or 7"
    assert resolved.expressions == ()


def test_a_preference_is_told_as_one() -> None:
    assert predicate(at_most=75).check(80, wish="preferred") == "is 80, preferred 75 or less"
