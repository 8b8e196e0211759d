"""Playbooks and profiles: what is loaded, and where each mistake is."""

from datetime import date
from pathlib import Path

import pytest

from fleet.model.errors import DocumentError
from fleet.policy.host import HostView
from fleet.policy.playbook import check_hosts, load_playbook, load_profile_controls
from fleet.policy.profile_source import shipped_profile, shipped_profile_names

DATA = Path(__file__).parents[2] / "data" / "policy"

CONTROL = """\
profile: p
title: t
vars:
  v: {default: 2, at_least: 1, at_most: 4, why: w}
controls:
  - id: c
    title: t
    impact: low
    setting: {sysctl: net.ipv4.tcp_fin_timeout}
    expect: {at_most: 120}
    why: w
"""


PLAYBOOK = "name: n\nprofiles: [p]\n"
EXCEPTION = PLAYBOOK + "exceptions:\n  - {"


def load(tmp_path: Path, profile: str = CONTROL, playbook: str = PLAYBOOK) -> DocumentError | None:
    """Load a playbook beside a profile; give the refusal, with paths relative to the playbook."""
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "p.yaml").write_text(profile)
    (tmp_path / "play.yaml").write_text(playbook)
    try:
        load_playbook(tmp_path / "play.yaml")
    except DocumentError as refusal:
        refusal.path = str(Path(refusal.path).relative_to(tmp_path))
        return refusal
    return None


def test_a_playbook_is_loaded_with_all_it_refers_to() -> None:
    policy = load_playbook(DATA / "playbook.yaml")
    assert [control.id for control in policy.controls] == ["liberal", "table", "fin", "usage"]
    assert [control.profile for control in policy.controls] == ["small", "small", "small", ""]
    assert [control.scope for control in policy.controls] == ["host-namespace", "host", "namespace", None]
    assert policy.variables == {"headroom": 3, "strict": False}
    assert str(policy.hosts) == "all and not maintenance"
    assert policy.exceptions[0].expires == date(2027, 3, 1)
    assert str(policy.exceptions[0].hosts) == "db-*"


@pytest.mark.parametrize(
    ("playbook", "refusal"),
    [
        ("name: n\nprofile: [p]\n", "play.yaml:2:1: unknown key 'profile' (did you mean 'profiles'?)"),
        ("name: n\nprofiles: [p]\nrollback: {serial: 1}\n", "play.yaml:3:1: unknown key 'rollback'"),
        ("name: n\n", "play.yaml:1:1: the playbook has no controls (name profiles, such as profiles: [conntrack])"),
        ("name: n\nprofiles: [p, p]\n", "play.yaml:2:15: profile 'p' is named twice"),
        (
            "name: n\nprofiles: [p, contrack]\n",
            "play.yaml:2:15: unknown profile 'contrack' (did you mean 'conntrack'?)",
        ),
        ("name: n\nprofiles: [../p]\n", "play.yaml:2:12: unknown profile '../p'"),
        ("name: n\nprofiles: [x/y.yaml]\n", "play.yaml:2:12: there is no profile file "),
        (
            "name: n\nprofiles: [p]\nvars: {w: 1}\n",
            "play.yaml:3:8: unknown variable 'w' (the profiles have: v)",
        ),
        ("name: n\nprofiles: [p]\nvars: {v: 5}\n", "play.yaml:3:11: 'v' is 5, but must be at most 4 (w)"),
        ("name: n\nprofiles: [p]\nvars: {v: 0.5}\n", "play.yaml:3:11: 'v' is 0.5, but must be at least 1 (w)"),
        ("name: n\nprofiles: [p]\nvars: {v: '3'}\n", "play.yaml:3:11: 'v' must be a number (w)"),
        ("name: n\nprofiles: [p]\nvars: {v: true}\n", "play.yaml:3:11: 'v' must be a number (w)"),
        ("name: n\nprofiles: [p]\nvars: {v: [1]}\n", "play.yaml:3:11: 'vars.v' must be a text, a number, or true"),
        (
            "name: n\nprofiles: [p]\nhosts: web and\n",
            "play.yaml:3:8: expected a host, group or field before the end, at character 8 of the selection",
        ),
        (
            EXCEPTION + "control: d, hosts: h, reason: r, owner: o, expires: 2027-03-01}\n",
            "play.yaml:4:15: unknown control 'd'",
        ),
        (
            EXCEPTION + "control: c, hosts: h, reason: r, owner: o, expires: 2027-02-30}\n",
            "play.yaml:4:58: 'exceptions[0].expires' must be a date such as 2027-03-01",
        ),
        (
            EXCEPTION + "control: c, hosts: h, reason: r, owner: o, expires: 20270301}\n",
            "play.yaml:4:58: 'exceptions[0].expires' must be a date such as 2027-03-01",
        ),
        (
            EXCEPTION + "control: c, hosts: all, owner: o, expires: 2027-03-01}\n",
            "play.yaml:4:5: key 'reason' is missing in 'exceptions[0]'",
        ),
        (
            PLAYBOOK
            + "controls:\n  - {id: c, title: t, impact: low, setting: {module: x}, expect: {loaded: true}, why: w}\n",
            "play.yaml:4:10: control 'c' is already in ",
        ),
    ],
)
def test_a_mistake_in_a_playbook_is_named_with_its_place(tmp_path: Path, playbook: str, refusal: str) -> None:
    assert str(load(tmp_path, playbook=playbook)).startswith(refusal)


@pytest.mark.parametrize(
    ("before", "after", "refusal"),
    [
        ("profile: p", "profile: q", "1:10: profile 'q' is not named like its file (write 'profile: p', or rename"),
        ("id: c", "id: C_1", "6:9: 'controls[0].id' must be of the form"),
        ("impact: low", "impact: hi", "8:13: 'controls[0].impact' must be 'low', 'medium', 'high' or 'critical'"),
        ("    title: t\n", "", "6:5: key 'title' is missing in 'controls[0]'"),
        ("    expect: {at_most: 120}\n", "", "6:5: key 'expect' is missing in 'controls[0]'"),
        ("{at_most: 120}", "{at_mots: 120}", "10:14: unknown key 'at_mots' (did you mean 'at_most'?)"),
        ("{at_most: 120}", "{}", "10:13: expect has no condition (there are: equals, at_least"),
        ("{at_most: 120}", "{equals: }", "10:13: expect has no condition"),
        ("{at_most: 120}", "{at_most: many}", "10:23: 'controls[0].expect.at_most' must be a number"),
        ("{at_most: 120}", "{loaded: true}", "10:14: 'loaded' does not go with a sysctl (there are: equals"),
        ("{at_most: 120}", "{avoids: 1-2}", "10:14: 'avoids' does not go with net.ipv4.tcp_fin_timeout, which holds"),
        ("{at_most: 120}", "{equals: many}", "10:22: 'many' is not a whole number"),
        ("{at_most: 120}", "{equals: true}", "10:22: true is no value of net.ipv4.tcp_fin_timeout: write 1 or 0"),
        ("{at_most: 120}", "{one_of: [60, x]}", "10:22: 'x' is not a whole number"),
        ("{at_most: 120}", '{at_most: "{{ vars.v + }}"}', "10:23: 'vars.v +' is not an expression"),
        ("{at_most: 120}", '{at_most: "{{ vars.w }}"}', "10:23: unknown name 'vars.w' in an expression (vars has: v)"),
        ("{at_most: 120}", '{at_most: "{{ nod.cores }}"}', "10:23: unknown name 'nod' in an expression (did you mean"),
        ("{at_most: 120}", '{at_most: "{{ node.coers }}"}', "10:23: unknown name 'node.coers' in an expression (did"),
        ("{at_most: 120}", '{at_most: "{{ sizing.max }}"}', "10:23: 'sizing' needs the variables conntrack_headroom"),
        ("{at_most: 120}", '{at_most: "{{ a }} b"}', "10:23: an expression '{{ … }}' must be the whole value"),
        ("    why: w", "    when: x.y\n    skip_reason: r\n    why: w", "11:11: unknown name 'x' in an expression"),
        ("    why: w", "    when: conntrack.loaded\n    why: w", "6:5: 'when' and 'skip_reason' go together"),
        ("    why: w", "    set: 500\n    why: w", "11:10: 500 is out of bounds: "),
        ("    why: w", "    set: 60\n    bounds: {at_most: 30}\n    why: w", "11:10: 60 is out of bounds: "),
        ("    why: w", "    bounds: {at_most: 9000}\n    why: w", "11:23: 9000 is wider than the catalogue's bounds"),
        ("    why: w", "    scope: host\n    why: w", "11:12: the catalogue has the scope 'namespace'"),
        ("    why: w", "    sources: [ftp://x]\n    why: w", "11:15: 'controls[0].sources[0]' must be of the form"),
        (
            "expect: {at_most: 120}",
            "expect: {at_most: 50}\n    set: 60",
            "11:10: what 'set' writes would not satisfy 'expect': is 60, expected 50 or less",
        ),
        (
            "{sysctl: net.ipv4.tcp_fin_timeout}",
            "{}",
            "9:14: name exactly one of sysctl, ipvs, fact, module, file, drop_in",
        ),
        ("{sysctl: net.ipv4.tcp_fin_timeout}", "{sysctl: a.b, module: c}", "9:14: name exactly one of sysctl"),
        (
            "net.ipv4.tcp_fin_timeout",
            "net.ipv4.tcp_fin_timeuot",
            "9:23: the catalogue does not have net.ipv4.tcp_fin_timeuot, so the control must give its scope (did",
        ),
        ("net.ipv4.tcp_fin_timeout", "../etc/passwd", "9:23: '../etc/passwd' is not the name of a sysctl key"),
        ("sysctl: net.ipv4.tcp_fin_timeout", "file: ../x", "9:21: '../x' is not an absolute path of plain characters"),
        ("sysctl: net.ipv4.tcp_fin_timeout", "module: a b", "9:23: 'a b' is not the name of a module"),
        ("sysctl: net.ipv4.tcp_fin_timeout", "fact: 1 + 1", "9:21: '1 + 1' is not the path of a fact"),
        ("sysctl: net.ipv4.tcp_fin_timeout", "fact: node.coers", "9:21: unknown name 'node.coers' in an expression"),
        ("title: t\nvars", "title: ''\nvars", "2:8: 'title' must not be empty"),
        ("default: 2", "default: 9", "4:16: the default of 'v' is 9, but must be at most 4"),
        ("default: 2", "default: [2]", "4:16: 'vars.v.default' must be a text, a number, or true or false"),
    ],
)
def test_a_mistake_in_a_profile_is_named_with_its_place(tmp_path: Path, before: str, after: str, refusal: str) -> None:
    assert before in CONTROL
    found = load(tmp_path, CONTROL.replace(before, after, 1))
    assert str(found).startswith(f"profiles/p.yaml:{refusal}")


def test_the_profile_of_the_other_tests_is_valid(tmp_path: Path) -> None:
    assert load(tmp_path) is None


def test_a_profile_beside_the_playbook_hides_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "tcp.yaml").write_text(CONTROL.replace("profile: p", "profile: tcp"))
    (tmp_path / "play.yaml").write_text("name: n\nprofiles: [tcp]\n")
    assert [control.id for control in load_playbook(tmp_path / "play.yaml").controls] == ["c"]


def test_a_profile_is_found_by_its_path_from_the_playbook(tmp_path: Path) -> None:
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "p.yaml").write_text(CONTROL)
    (tmp_path / "play.yaml").write_text("name: n\nprofiles: [team/p.yaml]\n")
    assert [control.id for control in load_playbook(tmp_path / "play.yaml").controls] == ["c"]


def test_two_profiles_may_share_a_variable_only_when_they_declare_it_alike(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(CONTROL.replace("profile: p", "profile: q").replace("id: c", "id: d"))
    assert load(tmp_path, playbook="name: n\nprofiles: [p, q.yaml]\n") is None
    (tmp_path / "q.yaml").write_text((tmp_path / "q.yaml").read_text().replace("default: 2", "default: 3"))
    with pytest.raises(DocumentError, match=r"q.yaml:4:3: variable 'v' is declared otherwise by another profile"):
        load_playbook(tmp_path / "play.yaml")


def test_a_key_outside_the_catalogue_is_held_with_a_scope_of_its_own(tmp_path: Path) -> None:
    own = CONTROL.replace("net.ipv4.tcp_fin_timeout", "net/ipv4/conf/eth0.100/rp_filter")
    (tmp_path / "p.yaml").write_text(own + "    scope: host\n")
    (tmp_path / "play.yaml").write_text("name: n\nprofiles: [p.yaml]\n")
    (control,) = load_playbook(tmp_path / "play.yaml").controls
    assert (control.setting.target, control.scope) == ("net.ipv4.conf.eth0/100.rp_filter", "host")


def test_shipped_profiles_load_and_their_controls_have_names_of_their_own() -> None:
    controls = [
        control for name in shipped_profile_names() for control in load_profile_controls(*shipped_profile(name))
    ]
    assert set(shipped_profile_names()) >= {"conntrack", "tcp", "ports", "ipvs", "kubelet"}
    assert len({control.id for control in controls}) == len(controls)
    assert all(control.sources for control in controls)


INVENTORY = (HostView(name="web", groups=("k3s",), data={"maintenance": False}, address="a"),)


@pytest.mark.parametrize(
    ("playbook", "refusal"),
    [
        (
            PLAYBOOK + "hosts: all and not maintenence\n",
            "play.yaml:3:8: the inventory has no host, group or data field 'maintenence', at character 13 of",
        ),
        (
            EXCEPTION + "control: c, hosts: not wbe, reason: r, owner: o, expires: 2027-03-01}\n",
            "play.yaml:4:25: the inventory has no host, group or data field 'wbe', at character 5 of the selection",
        ),
    ],
)
def test_a_selection_of_what_the_inventory_does_not_have_is_named_with_its_place(
    tmp_path: Path, playbook: str, refusal: str
) -> None:
    assert load(tmp_path, playbook=playbook) is None
    with pytest.raises(DocumentError) as found:
        check_hosts(load_playbook(tmp_path / "play.yaml"), INVENTORY)
    assert str(found.value).removeprefix(f"{tmp_path}/").startswith(refusal)
    assert "did you mean" in str(found.value)


def test_selections_of_what_the_inventory_has_are_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, playbook=PLAYBOOK + "hosts: w* and not maintenance and not draining\n") is None
    check_hosts(load_playbook(tmp_path / "play.yaml"), INVENTORY, groups=["draining"])
