"""A proof as text for a terminal or a pipe."""

from rich.text import Text

from fleet.model.proof import Cell, Proof, ScenarioProof
from fleet.report.layout import columns, hanging, joined, shown
from fleet.report.prove_words import COLUMNS, FIX_WORDS, broken_promises, evidence, headline, outcome, row, setting

_STYLES = {"alive": "green", "reset": "red", "hangs": "red", "dropped": "red", "exhausted": "red"}


def render_proof(proof: Proof, *, verbosity: int, width: int | None) -> Text:
    """Tell the matrix of scenarios and fixes, then what is not as promised.

    Args:
        proof: what to tell.
        verbosity: from 1 on, also what each scenario shows, with the evidence of its cells.
        width: cells of the terminal; None never wraps, for pipes and files.
    """
    titles = ["scenario", *(FIX_WORDS[fix] for fix in COLUMNS), "others"]
    rows = [[shown(title, "dim") for title in titles]]
    rows += [
        [shown(scenario.name), *(shown(text, _style(text)) for text in row(scenario))] for scenario in proof.scenarios
    ]
    lines = [*columns(rows, width=width), Text()]
    if verbosity:
        for scenario in proof.scenarios:
            lines += [*_details(scenario, width), Text()]
    lines += hanging(Text(), shown(setting(proof)), width=width)
    for note in proof.notes:
        lines += hanging(Text(), shown(note), width=width)
    for sentence in broken_promises(proof):
        lines += hanging(Text("! ", style="red"), shown(sentence, "red"), width=width)
    lines += hanging(Text(), shown(headline(proof), "bold"), width=width)
    return joined(lines)


def _details(scenario: ScenarioProof, width: int | None) -> list[Text]:
    cells = [[shown(FIX_WORDS[cell.fix]), _outcome(cell), shown(evidence(cell), "dim")] for cell in scenario.cells]
    head = hanging(Text(), shown(f"{scenario.name}: {scenario.title}", "bold"), width=width)
    return [*head, *hanging(Text("  "), shown(scenario.shows), width=width), *columns(cells, width=width, indent=2)]


def _outcome(cell: Cell) -> Text:
    text = outcome(cell)
    return shown(text, _style(text))


def _style(text: str) -> str:
    return _STYLES.get(text.removesuffix(" (!)"), "")
