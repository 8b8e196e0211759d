from collections.abc import Iterator

import pytest
from support.lab import running_lab

from fleet import lab


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[lab.Lab]:
    """One node of each kind."""
    with running_lab(tmp_path_factory.mktemp("state"), 12) as built:
        yield built
