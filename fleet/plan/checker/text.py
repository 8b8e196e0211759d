"""The data of a checker: lines of fields between tabs, the first of which names the line. Nothing of it is ever run.

======== =====================================================================================================
line     fields
======== =====================================================================================================
header   ``fleet-check`` and the version of this form; ``playbook``; ``digest``; ``version``; ``textfile``: a directory
rests    ``kernel``; ``machine``: processors and GiB; ``process``: a name; ``there``: a name, ``yes`` or ``no``;
         ``planned``: the fingerprint of the configuration; ``demand``: base, headroom and ceiling
file     a path, and its hash or ``-``
unseen   a sentence
unjudged control, impact, reason
control  id, impact, kind, target, what it rests on between commas or ``-``, last day of an exception or ``-``, ``=``
         and the value after the next boot or ``-``, ``overruled`` or ``-``, status, reason
given    path of a key, ``=`` and its value or ``-``: of the control above, as the lines that follow
words    ``expect`` or ``prefer``, and the conditions in words
expect   a condition and its arguments; likewise ``prefer``
======== =====================================================================================================
"""

from collections.abc import Iterable, Iterator

from fleet import __version__
from fleet.model.text import printable
from fleet.plan.checker.checks import Check, Checks
from fleet.policy import Policy

_LONGEST = 65_536
_MOST_WORDS = 400
_HEADER = "# Managed by fleet: change the playbook, not this file.\n"


def data_text(checks: Checks, policy: Policy, *, textfile_dir: str | None) -> bytes:
    """The data file of one node; the same input gives the same bytes."""
    lines = "".join("\t".join(map(_field, line)) + "\n" for line in _lines(checks, policy, textfile_dir))
    return (_HEADER + lines).encode()


def playbook_of(content: bytes) -> str | None:
    """The name of the playbook that a data file is for."""
    for line in content.decode(errors="replace").splitlines():
        word, _, name = line.partition("\t")
        if word == "playbook":
            return name
    return None


def playbook_name(policy: Policy) -> str:
    """The name as a data file has it."""
    return _field(policy.name)


def _field(text: str) -> str:
    return printable(text, _LONGEST).encode("ascii", "backslashreplace").decode()


def _lines(checks: Checks, policy: Policy, textfile_dir: str | None) -> Iterator[Iterable[str]]:
    yield "fleet-check", "1"
    yield "playbook", policy.name
    yield "digest", policy.digest
    yield "version", __version__
    if textfile_dir is not None:
        yield "textfile", textfile_dir
    yield "kernel", checks.kernel
    yield "machine", str(checks.cores), str(checks.gibibytes)
    yield from (("process", name) for name in checks.processes)
    yield from (("there", name, "yes" if there else "no") for name, there in checks.there.items())
    yield "planned", checks.fingerprint
    if checks.demand is not None:
        base, headroom, ceiling = checks.demand
        yield "demand", str(base), repr(headroom), str(ceiling)
    yield from (("file", path, sum_ or "-") for path, sum_ in checks.files.items())
    yield from (("unseen", each) for each in checks.unseen)
    yield from (("unjudged", each.control, each.impact, _words(each.reason)) for each in checks.unjudged)
    for check in checks.checks:
        yield from _check(check)


def _check(check: Check) -> Iterator[Iterable[str]]:
    yield (
        "control",
        check.control,
        check.impact,
        check.kind,
        check.target,
        ",".join(check.rests) or "-",
        check.until.isoformat() if check.until is not None else "-",
        _or_none(check.later),
        "overruled" if check.is_overruled else "-",
        check.status,
        _words(check.reason),
    )
    yield from (("given", path, _or_none(value)) for path, value in check.given)
    for word, words, terms in (("expect", check.expected, check.expect), ("prefer", check.preferred, check.prefer)):
        if terms:
            yield "words", word, _words(words)
        yield from ((word, term.word, *term.arguments) for term in terms)


def _words(text: str) -> str:
    return printable(text, _MOST_WORDS).replace("…", "...")


def _or_none(value: str | None) -> str:
    return "-" if value is None else f"={value}"
