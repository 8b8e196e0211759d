import json
import time

import jsonschema
from hypothesis import given
from support.audits import BE_LIBERAL, ESTABLISHED, FIN_TIMEOUT, audit_of, checked, node, sample_audit, state, with_pods
from support.hostile import audits

from fleet.model.finding import Audit
from fleet.report.audit_json import audit_json
from fleet.report.schema import schemas

VALIDATOR = jsonschema.Draft202012Validator(schemas()["audit"])


def test_the_document_has_the_keys_of_the_contract() -> None:
    document = json.loads("".join(audit_json(sample_audit())))
    assert list(document) == ["schema", "run", "summary", "hosts"]
    assert document["schema"] == "fleet.audit/1"
    assert document["run"] == {
        "id": "20261120T120000Z-5f2a01",
        "started": "2026-11-20T12:00:00.000Z",
        "finished": "2026-11-20T12:00:02.500Z",
        "playbook": "playbooks/stop-conntrack-resets.yaml",
        "version": "0.1.0",
    }
    assert document["summary"] == {"hosts": 14, "ok": 2, "findings": 10, "failed": 1, "unreachable": 1}
    assert list(document["hosts"]) == list(sample_audit().hosts)


def test_a_checked_host_has_findings_and_settings() -> None:
    host = json.loads("".join(audit_json(sample_audit())))["hosts"]["web-01"]
    assert (host["status"], host["error"]) == ("findings", None)
    assert host["findings"][0] == {
        "control": "conntrack-be-liberal",
        "title": "Out-of-window segments are not dropped as INVALID",
        "status": "fail",
        "impact": "critical",
        "reason": "is 0, expected 1",
        "settings": [BE_LIBERAL],
    }
    assert host["protection"] is None


def test_a_setting_has_its_three_states_its_lines_and_its_writers() -> None:
    host = json.loads("".join(audit_json(sample_audit())))["hosts"]["k3s-agent-2"]
    (writer,) = host["settings"][ESTABLISHED].pop("writers")
    assert host["settings"][ESTABLISHED] == {
        "live": "3600",
        "boot": "86400",
        "boot_source": {"path": "/etc/sysctl.d/90-conntrack.conf", "line": 3},
        "boot_note": "",
        "overridden": [
            {"path": "/etc/sysctl.d/10-base.conf", "line": 2, "reason": ""},
            {"path": "/usr/lib/sysctl.d/50-default.conf", "line": 9, "reason": "masked"},
        ],
        "after_reboot": "3600",
        "expected": "at least 7200",
        "scope": "host-namespace",
    }
    assert writer.pop("remedy").startswith("Write kube-proxy-arg+")
    assert writer == {
        "name": "k3s",
        "when": "service start",
        "value": "3600",
        "effect": "sets it to 3600, only where the value is another",
        "evidence": "k3s-server runs (process 412); /etc/rancher/k3s/config.yaml:5 has --x",
    }


def test_a_key_that_no_file_sets_has_no_boot_value_and_no_source() -> None:
    setting = json.loads("".join(audit_json(sample_audit())))["hosts"]["web-01"]["settings"][BE_LIBERAL]
    assert (setting["boot"], setting["boot_source"], setting["boot_note"]) == (None, None, "no file sets it")
    assert (setting["live"], setting["after_reboot"], setting["writers"]) == ("0", "0", [])


def test_the_protection_of_a_node_is_told_for_each_moment() -> None:
    host = json.loads("".join(audit_json(sample_audit())))["hosts"]["k3s-agent-2"]
    assert {moment: each["status"] for moment, each in host["protection"].items()} == {
        "now": "protected by be_liberal",
        "after_proxy_restart": "protected by be_liberal",
        "after_reboot": "protected by the INVALID rule",
    }


def test_what_gives_pods_their_nodes_values_is_told_as_kubernetes_reads_it() -> None:
    hosts = json.loads("".join(audit_json(audit_of(with_pods(node("web-1")), node("web-2")))))["hosts"]
    assert hosts["web-1"]["pod_remedy"] == {
        "security_context": {
            "sysctls": [
                {"name": "net.ipv4.tcp_keepalive_time", "value": "600"},
                {"name": "net.ipv4.ip_local_port_range", "value": "1024 65535"},
                {"name": "net.core.somaxconn", "value": "16384"},
            ]
        },
        "allowed_unsafe_sysctls": ["net.core.somaxconn"],
        "safe_since": {"net.ipv4.tcp_keepalive_time": "1.29"},
    }
    assert hosts["web-2"]["pod_remedy"] is None


def test_a_host_that_was_not_checked_has_an_error_and_no_findings() -> None:
    host = json.loads("".join(audit_json(sample_audit())))["hosts"]["db-3"]
    assert host == {
        "status": "failed",
        "error": {
            "kind": "sudo",
            "message": "sudo wants a password: pass --ask-become-pass or set FLEET_BECOME_PASSWORD",
        },
        "findings": [],
        "settings": {},
        "protection": None,
        "pod_remedy": None,
        "node": None,
    }


def test_a_value_that_was_not_read_is_null() -> None:
    audit = audit_of(checked("n", [], [state(FIN_TIMEOUT, None, "at least 15")]))
    assert json.loads("".join(audit_json(audit)))["hosts"]["n"]["settings"][FIN_TIMEOUT]["live"] is None


def test_a_value_comes_through_exactly() -> None:
    value = "1 \x1b[31m \x7f \u202e é | ` <"
    audit = audit_of(checked("n", [], [state(FIN_TIMEOUT, value, "1")]))
    assert json.loads("".join(audit_json(audit)))["hosts"]["n"]["settings"][FIN_TIMEOUT]["live"] == value


@given(audits)
def test_any_audit_is_plain_ascii_that_parses_and_holds_to_the_schema(audit: Audit) -> None:
    text = "".join(audit_json(audit))
    assert all(" " <= char <= "~" or char == "\n" for char in text)
    VALIDATOR.validate(json.loads(text))


def test_a_thousand_hosts_take_a_second_at_most() -> None:
    audit = audit_of(*(node(f"n{number}") for number in range(1000)))
    start = time.process_time()
    "".join(audit_json(audit))
    assert time.process_time() - start < 1
