"""Audits full of text that means harm, for property tests."""

from hypothesis import strategies as st
from support.audits import audit_of

from fleet.model.finding import Audit, Failure, Finding, HostAudit, SettingState

TRICKS = [
    "[red]x[/red]",
    "[link=http://evil.example]x[/link]",
    "\x1b[31mred\x1b]0;title\x07",
    "\x9b2J",
    "a|b",
    "`` ` ``",
    "\\",
    "\\|",
    "<script>alert(1)</script>",
    "</details>",
    "&lt;b&gt;",
    "<!-- x",
    "]]>",
    "@everyone #1 !2 ~bug $3 %4",
    "[x](http://evil.example)",
    "![x](http://evil.example/x.png)",
    "http://evil.example www.evil.example mailto:x",
    "*a* _b_ ~~c~~ **d**",
    "# head",
    "- item",
    "line\nnext\r\n| x | y |",
    "\u202egnp.exe",
    "\u2028",
    "zero\u200bwidth",
    "\ud800",
    "\x00",
    "\ufffe",
    "漢字 wide",
    "{{ x }}",
    ":tada:",
    "",
    "x" * 300,
]

texts = st.one_of(st.sampled_from(TRICKS), st.text(st.characters(), max_size=30))
impacts = st.sampled_from(["low", "medium", "high", "critical"])
findings = st.builds(
    Finding,
    control=texts,
    title=texts,
    status=st.sampled_from(["pass", "fail", "warn", "skip", "error"]),
    impact=impacts,
    reason=texts,
    settings=st.lists(texts, max_size=2).map(tuple),
)
states = st.builds(
    SettingState,
    key=texts,
    live=st.none() | texts,
    expected=texts,
    scope=st.sampled_from(["host", "host-namespace", "namespace"]),
)


def _checked(name: str, found: list[Finding], settings: list[SettingState]) -> HostAudit:
    status = "findings" if any(finding.status in {"fail", "error"} for finding in found) else "ok"
    return HostAudit(name=name, status=status, findings=tuple(found), settings=tuple(settings))


def _unchecked(name: str, message: str) -> HostAudit:
    return HostAudit(name=name, status="failed", error=Failure(kind="protocol", message=message))


hosts = st.one_of(
    st.builds(_checked, texts, st.lists(findings, max_size=3), st.lists(states, max_size=3)),
    st.builds(_unchecked, texts, texts),
)


def _audit(checked: list[HostAudit], playbook: str) -> Audit:
    return audit_of(*checked, playbook=playbook)


audits = st.builds(_audit, st.lists(hosts, max_size=4, unique_by=lambda host: host.name), texts)
