"""A proof as Markdown: the evidence page for a change ticket."""

from collections.abc import Iterator

from fleet.model.proof import Proof, ScenarioProof
from fleet.report.markdown import LONGEST, fill, inert, table
from fleet.report.prove_words import COLUMNS, FIX_WORDS, broken_promises, evidence, headline, outcome, row, setting


def proof_markdown(proof: Proof, *, limit: int = LONGEST) -> str:
    """The text of ``fleet prove -f markdown``: the matrix, what is not as promised, and the evidence to unfold.

    Args:
        proof: what to tell.
        limit: most characters of the result, 6,000 or more; what does not fit is left out from the end.
    """
    titles = ["scenario", *(FIX_WORDS[fix] for fix in COLUMNS), "others"]
    text = (
        f"## Proof of the connection reset: {headline(proof)}\n\n{inert(setting(proof))}\n\n"
        f"Run {inert(proof.run_id)}, finished {inert(proof.finished)}, fleet {inert(proof.version)}.\n\n"
        + table(titles, ([inert(scenario.title), *map(inert, row(scenario))] for scenario in proof.scenarios))
    )
    sentences = [*broken_promises(proof), *proof.notes]
    if sentences:
        text += "\n" + "".join(f"- {inert(sentence)}\n" for sentence in sentences)
    blocks = [*(_details(scenario) for scenario in proof.scenarios), *_values(proof)]
    return text + fill(
        "\n### Evidence\n", blocks, "\n{} more parts are left out here: the JSON has them all.\n", limit - len(text)
    )


def _details(scenario: ScenarioProof) -> str:
    rows = ([FIX_WORDS[cell.fix], inert(outcome(cell)), inert(evidence(cell))] for cell in scenario.cells)
    return (
        f"\n<details><summary>{inert(scenario.name)}: {inert(scenario.title)}</summary>\n\n{inert(scenario.shows)}\n\n"
        f"{table(['fix', 'result', 'seen'], rows)}\n</details>\n"
    )


def _values(proof: Proof) -> Iterator[str]:
    for title, values in (("Values of the node", proof.values), ("Values of the playbook", proof.hardened)):
        if values:
            rows = ([inert(key), inert(value)] for key, value in values.items())
            yield f"\n<details><summary>{title}</summary>\n\n{table(['key', 'value'], rows)}\n</details>\n"
