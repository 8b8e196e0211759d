from hypothesis import given
from hypothesis import strategies as st

from fleet.lab import Planted, plan_nodes

COUNTS = st.integers(min_value=0, max_value=60)
SEEDS = st.integers(min_value=0, max_value=2**32)
KINDS = 12


@given(COUNTS, SEEDS)
def test_the_same_number_and_seed_plan_the_same_nodes(count: int, seed: int) -> None:
    assert plan_nodes(count, seed) == plan_nodes(count, seed)


@given(COUNTS, COUNTS, SEEDS)
def test_a_smaller_lab_is_the_beginning_of_a_larger_one(one: int, other: int, seed: int) -> None:
    small, large = sorted((one, other))
    assert plan_nodes(large, seed)[:small] == plan_nodes(small, seed)


@given(SEEDS)
def test_the_first_twelve_nodes_show_everything_that_can_be_planted(seed: int) -> None:
    assert {word for node in plan_nodes(KINDS, seed) for word in node.planted} == set(Planted)


def test_another_seed_plants_other_things() -> None:
    assert [node.planted for node in plan_nodes(100, 1)] != [node.planted for node in plan_nodes(100, 2)]
    assert plan_nodes(KINDS, 1) != plan_nodes(KINDS, 2)


@given(COUNTS, SEEDS)
def test_names_are_unique_and_say_the_group(count: int, seed: int) -> None:
    nodes = plan_nodes(count, seed)
    assert len({node.name for node in nodes}) == count
    assert all(node.name.startswith(node.groups[0] + "-") for node in nodes)


@given(COUNTS, SEEDS)
def test_only_keys_of_the_network_namespace_are_set_live(count: int, seed: int) -> None:
    assert all(key.startswith("net.") for node in plan_nodes(count, seed) for key, _ in node.live)


@given(COUNTS, SEEDS)
def test_arguments_of_pretenders_survive_a_file_of_words(count: int, seed: int) -> None:
    for node in plan_nodes(count, seed):
        for process in node.processes:
            words = (process.executable, *process.arguments)
            assert " ".join(words).split() == list(words)
            assert not any(set(word) & set("\\*?[") for word in words)


def test_every_secret_stands_where_a_careless_reader_would_show_it() -> None:
    nodes = [node for node in plan_nodes(60, 1) if node.secrets]
    assert {node.groups for node in nodes} == {("k3s-server",), ("k3s-agent",)}
    for node in nodes:
        assert all(any(secret in file.content for file in node.files) for secret in node.secrets)
    agents = [node for node in nodes if node.groups == ("k3s-agent",)]
    assert all(set(node.secrets) <= set(node.processes[0].arguments) for node in agents)


def test_files_with_secrets_are_for_root_alone() -> None:
    for node in plan_nodes(60, 1):
        for file in node.files:
            if any(secret in file.content for secret in node.secrets):
                assert file.mode == 0o600
