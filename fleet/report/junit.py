"""An audit as JUnit XML, for the test tab of a CI system: a test suite a host, a test case a control.

There is no standard; this holds to the parts that Jenkins, GitLab and GitHub actions share
(https://docs.gitlab.com/ci/testing/unit_test_reports/, https://github.com/testmoapp/junitxml).
"""

from collections.abc import Iterable, Iterator
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from fleet.model.finding import Audit, Finding, HostAudit
from fleet.model.pods import PodRemedy
from fleet.model.text import printable
from fleet.report.explain import behind_verdict
from fleet.report.pod_remedy import POD_REMEDY_TITLE, kubelet_flag, security_context
from fleet.report.status import finding_counts

LONGEST_VALUE: Final = 2_000


def audit_junit(audit: Audit) -> str:
    """The XML text of ``fleet audit -f junit``.

    ``fail`` becomes a failure, ``error`` and a host that could not be checked an error, ``skip`` skipped; ``warn``
    passes, with its reason as the output of the case. Below a reason stand the states of the setting, the line that
    decides at boot, and the remedies. What gives pods the values of their node is the output of the suite.
    """
    root = Element("testsuites", name=_text(f"fleet audit {audit.playbook}"))
    for host in audit.hosts.values():
        root.append(_suite(host, audit.started))
    for count in ("tests", "failures", "errors", "skipped"):
        root.set(count, str(sum(int(suite.get(count, "0")) for suite in root)))
    indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _suite(host: HostAudit, started: str) -> Element:
    name = _text(host.name)
    suite = Element("testsuite", name=name, timestamp=started.removesuffix("Z"), hostname=name)
    if host.error is not None:
        case = SubElement(suite, "testcase", classname=name, name="host can be checked")
        _outcome(case, "error", kind=host.error.kind, message=host.error.message)
    settings = {state.key: state for state in host.settings}
    for finding in host.findings:
        behind = [line for key in finding.settings if key in settings for line in behind_verdict(settings[key])]
        suite.append(_case(name, finding, behind))
    counts = finding_counts(host.findings)
    cases = len(suite)
    if host.pod_remedy is not None:
        SubElement(suite, "system-out").text = "\n".join(_of_pods(host.pod_remedy))
    suite.set("tests", str(cases))
    suite.set("failures", str(counts["fail"]))
    suite.set("errors", str(counts["error"] + (host.error is not None)))
    suite.set("skipped", str(counts["skip"]))
    return suite


def _case(host: str, finding: Finding, behind: list[str]) -> Element:
    case = Element("testcase", classname=host, name=_text(f"{finding.control}: {finding.title}"))
    match finding.status:
        case "fail":
            _outcome(case, "failure", kind=finding.impact, message=finding.reason, behind=behind)
        case "error":
            _outcome(case, "error", kind=finding.impact, message=finding.reason, behind=behind)
        case "skip":
            SubElement(case, "skipped", message=_text(finding.reason))
        case "warn":
            SubElement(case, "system-out").text = _lines(f"warn: {finding.reason}", behind)
        case "pass":
            pass
    return case


def _outcome(case: Element, tag: str, *, kind: str, message: str, behind: Iterable[str] = ()) -> None:
    # GitLab shows the element's text, Jenkins and others its message: both say it.
    SubElement(case, tag, type=kind, message=_text(message)).text = _lines(message, behind)


def _of_pods(remedy: PodRemedy) -> Iterator[str]:
    yield f"{POD_REMEDY_TITLE}:"
    yield from security_context(remedy)
    if flag := kubelet_flag(remedy):
        yield f"kubelet: {flag}"


def _lines(first: str, more: Iterable[str]) -> str:
    return "\n".join(map(_text, (first, *more)))


def _text(text: str) -> str:
    # Printable text holds no character that XML 1.0 forbids.
    return printable(text, LONGEST_VALUE)
