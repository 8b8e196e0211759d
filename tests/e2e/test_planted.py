"""Everything that is planted in the nodes of a lab is named by an audit, and nothing else is."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from support.lab import running_lab
from support.planted import NOT_SHIPPED, Score, expected, named, this_machine, unaccounted

from fleet.cli.playbook import find_playbook
from fleet.cli.target import target
from fleet.kernel.catalogue import KEYS
from fleet.lab import NodeSpec, Planted, plan_nodes
from fleet.model.finding import HostAudit
from fleet.policy import load_playbook
from fleet.runner.audit import audit
from fleet.runner.fleet import Fleet

pytestmark = pytest.mark.root

SEEDS = (1, 2, 3)
NODES = 24

Audited = list[tuple[str, NodeSpec, HostAudit]]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Audited:
    """Every node of the labs with what the shipped playbook says of it, a team's own profile added."""
    folder = tmp_path_factory.mktemp("planted")
    playbook = _with_own_profile(folder)
    policy = load_playbook(playbook)
    nodes: Audited = []
    for seed in SEEDS:
        with running_lab(folder, NODES, name=f"seed-{seed}", seed=seed) as built:
            chosen = target(inventory=str(built.inventory), local=False, limit=None, policy=policy)
            with Fleet(chosen.inventory, chosen.transport) as fleet:
                result = audit(fleet, policy, hosts=chosen.names, playbook=str(playbook))
        nodes += [(f"seed {seed} {spec.name}", spec, result.hosts[spec.name]) for spec in plan_nodes(NODES, seed)]
    return nodes


def _with_own_profile(folder: Path) -> Path:
    shipped = find_playbook("stop-conntrack-resets").read_text()
    playbook = folder / "playbook.yaml"
    playbook.write_text(shipped.replace("kubelet]", "kubelet, own]"))
    assert playbook.read_text() != shipped
    (folder / "profiles").mkdir()
    controls = [
        {
            "id": f"own-{number}",
            "title": "A key of ours",
            "impact": "low",
            "setting": {"sysctl": key},
            # Of a key that the catalogue knows the scope is known too.
            **({} if key in KEYS else {"scope": "host-namespace"}),
            "expect": {"one_of": ["", "0"]},
            "why": "It is planted.",
            "sources": ["https://docs.kernel.org/networking/ip-sysctl.html"],
        }
        for number, key in enumerate(NOT_SHIPPED, start=1)
    ]
    own = {"profile": "own", "title": "Keys of ours", "controls": controls}
    (folder / "profiles" / "own.yaml").write_text(yaml.safe_dump(own))
    return playbook


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Iterator[Callable[[str], None]]:
    """Print whatever is captured: the numbers are part of what a run of CI has to show."""
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def lines(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{text}", flush=True)  # noqa: T201 - printing is its purpose

    return lines


def test_everything_planted_is_named_and_nothing_else(audited: Audited, say: Callable[[str], None]) -> None:
    machine = this_machine(has_iptables=shutil.which("iptables") is not None)
    score = Score()
    for name, spec, host in audited:
        assert host.error is None, (name, host.error)
        score.add(name, named(host, spec), expected(spec, machine))
    say(f"{len(audited)} nodes of seeds {', '.join(map(str, SEEDS))}\n{score}")
    assert score.differences == []
    assert (score.precision, score.recall) == (1.0, 1.0)


def test_a_node_as_it_was_installed_has_no_conflict_and_no_writer(audited: Audited) -> None:
    plain = [host for _, spec, host in audited if not spec.planted]
    assert plain
    for host in plain:
        assert not any(state.writers for state in host.settings)
        lines = {(state.key, str(line), line.reason) for state in host.settings for line in state.overridden}
        # systemd's own exception from its own glob, which no other line contradicts.
        installed = "/usr/lib/sysctl.d/50-default.conf"
        assert lines == {("net.ipv4.conf.all.rp_filter", f"{installed}:1", f"{installed}:2 excludes the key")}


def test_the_nodes_show_everything_that_can_be_planted(audited: Audited) -> None:
    assert {word for _, spec, _ in audited for word in spec.planted} == set(Planted)


def test_no_planted_line_is_left_out_of_what_is_expected(audited: Audited) -> None:
    assert {name: left for name, spec, _ in audited if (left := unaccounted(spec))} == {}
