from xml.etree import ElementTree as ET

from hypothesis import given
from support.audits import ESTABLISHED, POD_REMEDY, audit_of, k3s_node, node, sample_audit, with_pods
from support.golden import assert_golden
from support.hostile import audits

from fleet.model.finding import Audit
from fleet.report.junit import audit_junit
from fleet.report.pod_remedy import security_context


def parsed(audit: Audit) -> ET.Element:
    return ET.fromstring(audit_junit(audit))  # noqa: S314 our own output


def test_an_audit_reads_as_reviewed() -> None:
    assert_golden("report/audit.junit.xml", audit_junit(sample_audit()))


def test_each_host_is_a_suite_and_each_control_a_case() -> None:
    suites = parsed(sample_audit()).findall("testsuite")
    assert [suite.get("name") for suite in suites] == list(sample_audit().hosts)
    assert [case.get("name", "").split(":")[0] for case in suites[0].findall("testcase")] == [
        "conntrack-be-liberal",
        "tcp-fin-timeout",
        "port-range-nodeports",
        "ipvs-timeouts",
    ]


def test_each_status_has_its_element() -> None:
    root = parsed(sample_audit())
    cases = {
        (case.get("classname"), case.get("name", "").split(":")[0]): [child.tag for child in case]
        for case in root.iter("testcase")
    }
    assert cases["web-01", "conntrack-be-liberal"] == ["failure"]
    assert cases["web-07", "conntrack-be-liberal"] == []
    assert cases["web-01", "ipvs-timeouts"] == ["skipped"]
    assert cases["db-1", "conntrack-buckets"] == ["error"]
    assert cases["k3s-agent-1", "tcp-fin-timeout"] == ["system-out"]
    assert cases["db-2", "host can be checked"] == ["error"]


def test_a_failure_holds_the_reason_the_states_the_line_that_decides_and_the_remedy() -> None:
    (failure,) = parsed(audit_of(k3s_node("n"))).iter("failure")
    reason, states, line, remedy = (failure.text or "").splitlines()
    assert reason == failure.get("message")
    assert states == f"{ESTABLISHED}: live 3600, boot 86400, after reboot 3600, expected at least 7200"
    assert line.startswith("set by: /etc/sysctl.d/90-conntrack.conf:3, which wins over /etc/sysctl.d/10-base.conf:2")
    assert remedy.startswith("remedy: Write kube-proxy-arg+")


def test_what_gives_pods_their_nodes_values_is_the_output_of_the_suite() -> None:
    suite = parsed(audit_of(with_pods(node("web-1")))).findall("testsuite")[0]
    assert suite.findtext("system-out", "").splitlines() == [
        "What gives pods the values of their node:",
        *security_context(POD_REMEDY),
        "kubelet: --allowed-unsafe-sysctls=net.core.somaxconn",
    ]
    assert suite.get("tests") == str(len(suite.findall("testcase")))


@given(audits)
def test_any_audit_is_xml_whose_counts_are_right(audit: Audit) -> None:
    root = parsed(audit)
    for element in (root, *root.findall("testsuite")):
        assert {name: int(element.get(name, "")) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": len([*element.iter("testcase")]),
            "failures": len([*element.iter("failure")]),
            "errors": len([*element.iter("error")]),
            "skipped": len([*element.iter("skipped")]),
        }
    assert len(root) == len(audit.hosts)
