"""Expressions give values of data, and can do nothing else."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.model.facts import Reason, Unavailable
from fleet.policy.expression import (
    ExpressionError,
    FactUnavailableError,
    compile_expression,
    embedded_expression,
)

CONTEXT = {
    "node": {"cores": 4, "os": {"id": "debian"}, "kernel_version": [6, 1, 0]},
    "conntrack": {"count": 5, "items": 3, "hashsize": Unavailable(Reason.NEEDS_ROOT)},
    "modules": Unavailable(Reason.UNREADABLE, "/proc/modules"),
    "ports": [10250, 6443],
    "name": "web-1",
    "sysctl": {"net.ipv4.ip_forward": 1},
    "big": 10**70,
    "nothing": None,
}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("conntrack.count * 2", 10),
        ("conntrack.items", 3),
        ("conntrack['count']", 5),
        ("node.os.id", "debian"),
        ("node.kernel_version >= [5, 9]", True),
        ("sysctl['net.ipv4.ip_forward'] == 1", True),
        ("7 // 2", 3),
        ("1 if node.cores > 2 else 0", 1),
        ("'web' in name and not false", True),
        ("ports | max", 10250),
        ("ports | sort", [6443, 10250]),
        ("ports + [80]", [10250, 6443, 80]),
        ("[1, 2] | select('gt', 1) | list", [2]),
        ("name ~ '-x'", "web-1-x"),
        ("nothing is none", True),
        ("range is defined", False),
        ("ports[0]", 10250),
        ("nothing", None),
    ],
)
def test_an_expression_gives_its_native_value(source: str, value: object) -> None:
    assert compile_expression(source).evaluate(CONTEXT) == value


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("node.coers", "'node.coers' gives no value: there is no field 'coers'"),
        ("conntrack.keys", "there is no field 'keys'"),
        ("name.upper", "there is no field 'upper'"),
        ("name.__class__", "there is no field '__class__'"),
        ("name['__class__']", "there is no field '__class__'"),
        ("''.__class__.__mro__", "there is no field '__class__'"),
        ("ports | map(attribute='__class__') | list", "there is no field '__class__'"),
        ("ports[7]", "there is no member 7"),
        ("missing", "'missing' is undefined"),
        ("self", "the result is"),
        ("node", "the result is a mapping, not a value"),
        ("ports | map('int')", "the result is a list, not a value"),
        ("1 / 0", "division by zero"),
        ("name + 1", "'+' does not go with a text and a number"),
        ("nothing + 1", "'+' does not go with nothing and a number"),
        ("name > 3", "not supported"),
        ("'a' * 1000000000", "'*' does not go with a text and a number"),
        ("[0] * 1000000000", "'*' does not go with a list and a number"),
        ("'%999999999d' % 1", "'%' does not go with a text and a number"),
        ("2 ** 1000000000", "'**' is not available"),
        ("9 ** 9 ** 9 ** 9", "'**' is not available"),
        ("big * big * big * big", "the result is too large"),
        ("1.0e308 * 1.0e308", "not a finite number"),
    ],
)
def test_an_expression_without_a_value_says_why(source: str, reason: str) -> None:
    started = time.thread_time()
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(source).evaluate(CONTEXT)
    assert reason in str(refusal.value)
    assert time.thread_time() - started < 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "is not an expression"),
        ("1 2", "chunk after expression"),
        ("1 +", "is not an expression"),
        ("a }}{% for x in ports %}{{ x", "is not an expression"),
        ("name.upper()", "calls something"),
        ("range(1000000000)", "calls something"),
        ("cycler('a')", "calls something"),
        ("''.__class__.__mro__[1].__subclasses__()", "calls something"),
        ("name | center(1000000000)", "No filter named 'center'"),
        ("name | attr('__class__')", "No filter named 'attr'"),
        ("'%999999999d' | format(1)", "No filter named 'format'"),
        ("ports | join('x')", "No filter named 'join'"),
        ("name is callable", "No test named 'callable'"),
        ("sysctl[name]", "needs a key in quotes"),
        ("1" * 501, "longer than 500 characters"),
        ("(" * 240 + "1" + ")" * 240, "nested too deeply"),
        ("-" * 490 + "1", "nested too deeply"),
        ("{% import os %}", "is not an expression"),
    ],
)
def test_what_is_no_expression_is_refused_before_it_runs(source: str, reason: str) -> None:
    with pytest.raises(ExpressionError, match=r".") as refusal:
        compile_expression(source)
    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("conntrack.hashsize", "needs root"),
        ("conntrack.hashsize * 2", "needs root"),
        ("true and conntrack.hashsize > 3", "needs root"),
        ("conntrack.hashsize | default(3)", "needs root"),
        ("conntrack.hashsize is defined", "needs root"),
        ("'x' in modules", "unreadable (/proc/modules)"),
        ("[modules, 1]", "unreadable (/proc/modules)"),
    ],
)
def test_a_fact_that_could_not_be_read_is_never_a_value(source: str, reason: str) -> None:
    with pytest.raises(FactUnavailableError) as refusal:
        compile_expression(source).evaluate(CONTEXT)
    assert str(refusal.value) == reason


def test_a_fact_that_is_not_used_is_not_missed() -> None:
    assert compile_expression("false and conntrack.hashsize > 3").evaluate(CONTEXT) is False


def test_names_and_fields_are_known_without_running() -> None:
    expression = compile_expression("sysctl['net.ipv4.ip_forward'] + conntrack.count if vars.x else host.y.z")
    assert expression.names == {"sysctl", "conntrack", "vars", "host"}
    assert expression.fields == {
        ("sysctl", "net.ipv4.ip_forward"),
        ("conntrack", "count"),
        ("vars", "x"),
        ("host", "y"),
    }


def test_braces_hold_an_expression_only_as_the_whole_value() -> None:
    assert embedded_expression(" {{ 1 + 1 }} ") == " 1 + 1 "
    assert embedded_expression("plain") is None
    for text in ("a {{ b }}", "{% if x %}", "{{ a }} b"):
        with pytest.raises(ExpressionError, match="must be the whole value"):
            embedded_expression(text)


@given(st.text(alphabet="ab1.[]()'\"|+-*/%~{}<>=! ,:", max_size=40))
def test_any_text_is_a_value_or_an_expression_error(source: str) -> None:
    try:
        compile_expression(source).evaluate(CONTEXT | {"a": 1, "b": "x"})
    except ExpressionError as error:
        assert str(error)  # noqa: PT017  # not every text is refused
