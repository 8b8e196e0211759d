"""Both ways to have namespaces of one's own: as root, and in a user namespace; and the matrix at the end of the run."""

import os
from collections.abc import Iterator

import pytest
from support.proving import Proofs

from fleet.model.errors import ProofError
from fleet.prove import prepare
from fleet.prove.bench import measure
from fleet.prove.scenario import BUILD_ONLY


@pytest.fixture(scope="module", params=["root", "user namespace"])
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


@pytest.fixture(scope="package")
def proofs() -> Iterator[Proofs]:
    """The whole matrix twice."""
    begun = Proofs()
    yield begun
    begun.close()


@pytest.fixture(scope="package", autouse=True)
def _begin_early(request: pytest.FixtureRequest) -> None:
    """Evictions take up to a minute, in which the other tests of this folder go on."""
    if any("proofs" in getattr(item, "fixturenames", ()) for item in request.session.items):
        request.getfixturevalue("proofs")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrices."""
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for name, text in report.user_properties:
            if name.startswith("matrix of the proof"):
                terminalreporter.section(name)
                terminalreporter.write_line(text)
