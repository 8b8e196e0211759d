"""One lab for all tests that only read it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.lab import running_lab

from fleet import lab

LAB_NODES = 50


@pytest.fixture(scope="session")
def fifty_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """A lab whose nodes no test changes."""
    with running_lab(tmp_path_factory.mktemp("lab"), LAB_NODES) as built:
        yield built


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder to run commands in."""
    return tmp_path
