"""The confusion matrix at the end of the run."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the tests of this folder recorded."""
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for name, text in report.user_properties:
            if name == "confusion matrix":
                terminalreporter.section("fleet diagnose: causes made (rows) and named (columns)")
                terminalreporter.write_line(text)
