"""The evidence page as a text: what it tells, and that it can do nothing."""

import re
from dataclasses import replace

from support.audits import sample_audit
from support.hostile import TRICKS
from support.proofs import cell, proof

from fleet.model.proof import ScenarioProof
from fleet.report.page import evidence_page, report_page

RED = replace(cell(reset=5), notes={"entries left": "0 of 5"})


def test_it_tells_who_was_told_what_who_sent_the_reset_and_which_counters_rose() -> None:
    page = evidence_page([proof(RED, cell("be-liberal", "alive", alive=5))])
    for said in (
        "all 2 cells as promised",
        "<td>server: ECONNRESET 5</td><td>client pod to server pod 5</td>",
        "<p>client TcpOutRsts +5</p>",
        "<p>entries left 0 of 5</p>",
        '<th scope="row">net.netfilter.nf_conntrack_tcp_be_liberal</th><td>1</td>',
        "Kernel 6.18.44, as root; a node with kernel defaults",
    ):
        assert said in page, said


def test_what_is_not_as_promised_and_what_was_not_measured_stand_out() -> None:
    page = evidence_page([proof(cell(alive=5), replace(cell("be-liberal", "alive"), skipped="the table is too large"))])
    assert re.search(r'badge fail">1 of 2 cells not as promised, 1 not measured', page)
    assert re.search(r'badge fail">not as promised</span> above-window, before: reset was promised', page)
    assert '<td colspan="4">the table is too large</td>' in page


def test_a_browser_may_run_nothing_and_ask_nobody() -> None:
    page = evidence_page([proof()])
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in policy
    assert "<script" not in page
    assert not re.search(r'(src|href|action)="(?!#)', page)


def test_hostile_text_is_text() -> None:
    for trick in TRICKS:
        hostile = proof(
            kernel=trick,
            values={trick: trick},
            notes=(trick,),
            scenarios=(
                ScenarioProof(name=trick, title=trick, shows=trick, cells=(replace(RED, seen={trick: 1}, skipped=""),)),
            ),
        )
        page = evidence_page([hostile])
        assert "<script" not in page
        assert "<img" not in page
        assert "\x1b" not in page


def test_beside_an_audit_proofs_are_a_part_of_its_page() -> None:
    assert 'id="proofs"' not in report_page(sample_audit())
    page = report_page(sample_audit(), proofs=[proof(), replace(proof(), run_id="second")])
    assert page.count('<h2 id="proofs-title">') == 1
    assert '<a href="#proofs">' in page
    assert "Run second:" in page
    assert len(set(re.findall(r'id="(proof-[^"]*)"', page))) == 2
