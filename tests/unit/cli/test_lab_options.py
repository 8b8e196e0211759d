"""Which options of ``fleet lab up`` go together."""

from pathlib import Path

import pytest
from support.cli import fleet


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vm", "1", "--nodes", "3"), "--nodes and --seed are for nodes in namespaces"),
        (("--vm", "1", "--seed", "3"), "--nodes and --seed are for nodes in namespaces"),
        (("--release", "trixie"), "--release is for machines: say how many with --vm"),
        (("--vm", "65"), "less than or equal to 64"),
    ],
)
def test_options_of_one_kind_of_lab_are_refused_for_the_other(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    refused = fleet("lab", "up", *options, cwd=tmp_path)
    assert refused.returncode == 2
    assert said in refused.stderr
    assert list(tmp_path.iterdir()) == []
