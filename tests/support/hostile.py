"""Audits full of text that means harm, for property tests."""

from dataclasses import replace

from hypothesis import strategies as st
from support.audits import audit_of

from fleet.model.finding import (
    Audit,
    Failure,
    Finding,
    HostAudit,
    Moment,
    Protection,
    SettingState,
    Source,
    WriterState,
)
from fleet.model.pods import PodRemedy, PodSysctl

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
    why=texts,
    settings=st.lists(texts, max_size=2).map(tuple),
)
sources = st.builds(Source, path=texts, line=st.integers(1, 9999), reason=texts)
writers = st.builds(
    WriterState,
    name=texts,
    when=st.sampled_from(["boot", "interface up", "service start", "timer"]) | texts,
    value=st.none() | texts,
    effect=texts,
    evidence=st.lists(texts, max_size=2).map(tuple),
    remedy=texts,
)
states = st.builds(
    SettingState,
    key=texts,
    live=st.none() | texts,
    boot=st.none() | texts,
    boot_source=st.none() | sources,
    boot_note=texts,
    overridden=st.lists(sources, max_size=2).map(tuple),
    after_reboot=st.none() | texts,
    writers=st.lists(writers, max_size=2).map(tuple),
    expected=texts,
    scope=st.sampled_from(["host", "host-namespace", "namespace"]),
)
protections = st.none() | st.fixed_dictionaries(
    {
        moment: st.builds(Protection, status=st.sampled_from(["unprotected", "unknown"]) | texts, reason=texts)
        for moment in ("now", "after_proxy_restart", "after_reboot")
    }
)


pod_sysctls = st.builds(PodSysctl, name=texts, value=texts, safe_since=st.none() | texts)
_sysctls = st.lists(pod_sysctls, min_size=1, max_size=2, unique_by=lambda sysctl: sysctl.name).map(tuple)
pod_remedies = st.none() | st.builds(PodRemedy, sysctls=_sysctls)


def _checked(
    name: str,
    found: list[Finding],
    settings: list[SettingState],
    protection: dict[Moment, Protection] | None,
    pod_remedy: PodRemedy | None,
) -> HostAudit:
    # Controls are about the settings of their host, so that what stands behind a finding is told too.
    about = tuple(state.key for state in settings)
    findings = tuple(replace(finding, settings=about + finding.settings) for finding in found)
    status = "findings" if any(finding.status in {"fail", "error"} for finding in found) else "ok"
    return HostAudit(
        name=name,
        status=status,
        findings=findings,
        settings=tuple(settings),
        protection=protection,
        pod_remedy=pod_remedy,
    )


def _unchecked(name: str, message: str) -> HostAudit:
    return HostAudit(name=name, status="failed", error=Failure(kind="protocol", message=message))


hosts = st.one_of(
    st.builds(_checked, texts, st.lists(findings, max_size=3), st.lists(states, max_size=2), protections, pod_remedies),
    st.builds(_unchecked, texts, texts),
)


def _audit(checked: list[HostAudit], playbook: str) -> Audit:
    return audit_of(*checked, playbook=playbook)


audits = st.builds(_audit, st.lists(hosts, max_size=4, unique_by=lambda host: host.name), texts)
