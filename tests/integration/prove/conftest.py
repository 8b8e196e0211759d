"""Both ways to have namespaces of one's own: as root, and in a user namespace."""

import os

import pytest

from fleet.model.errors import ProofError
from fleet.prove import prepare
from fleet.prove.bench import measure
from fleet.prove.scenario import BUILD_ONLY


@pytest.fixture(params=["root", "user namespace"])
def as_root(request: pytest.FixtureRequest) -> bool:
    """True where it is done as root; a way that this machine does not have is skipped."""
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        return prepare()
    try:
        measure([BUILD_ONLY], as_root=False)
    except ProofError as error:
        pytest.skip(f"needs user namespaces: {error}")
    return False
