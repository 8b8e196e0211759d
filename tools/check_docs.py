"""Check the documentation against the code: ``check_docs.py``; ``check_docs.py --write`` writes its generated parts."""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from docs_commands import wrong_commands
from docs_generated import generated
from docs_links import broken_links

from fleet.cli.app import app

ROOT = Path(__file__).resolve().parent.parent


def pages(root: Path) -> tuple[Path, ...]:
    """The Markdown files that people read: those at the top and those under docs/."""
    return tuple(sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")]))


def outdated(root: Path, files: Mapping[str, str]) -> Iterable[str]:
    """Name each generated file that is missing or differs."""
    for name, text in files.items():
        path = root / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            yield f"{name}: differs from the code: run `make docs`"
    for path in root.glob("docs/schemas/*.json"):
        if (name := path.relative_to(root).as_posix()) not in files:
            yield f"{name}: there is no such schema: delete the file"


def write(root: Path, files: Mapping[str, str]) -> None:
    """Write the generated files."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    files = generated()
    if arguments == ["--write"]:
        write(ROOT, files)
    elif arguments:
        print(f"usage: {__doc__}", file=sys.stderr)
        return 2
    found = pages(ROOT)
    problems = [*broken_links(ROOT, found), *wrong_commands(ROOT, found, app), *outdated(ROOT, files)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
