"""The ``fleet`` commands that the documentation shows."""

import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from typer import Typer
from typer.main import get_command

SHELLS = {"sh", "console", "bash"}


def wrong_commands(root: Path, pages: Iterable[Path], app: Typer) -> Iterator[str]:
    """Name each command or option in a shell block or in backquotes that ``fleet`` does not have."""
    fleet = get_command(app)
    for page in pages:
        for line, text in _shown(page.read_text(encoding="utf-8")):
            for problem in _problems(fleet, _words(text)):
                yield f"{page.relative_to(root)}:{line}: `{text}`: {problem}"


def _shown(markdown: str) -> Iterator[tuple[int, str]]:
    """Every command of a page with its line."""
    for block in MarkdownIt("commonmark").enable("table").parse(markdown):
        line = block.map[0] + 1 if block.map else 1
        if block.type == "fence" and block.info.strip() in SHELLS:
            for offset, text in enumerate(block.content.splitlines(), start=1):
                for command in re.split(r"&&|\|\|?|;", text.removeprefix("$ ")):
                    yield line + offset, command.strip()
        for token in block.children or ():
            if token.type == "code_inline":
                yield line, token.content


def _words(text: str) -> list[str]:
    """The words after ``fleet``; none where the text is not a call of it."""
    call = re.match(r"(?:\w+=\S* )*fleet(?: |$)", text)
    return shlex.split(text[call.end() :], comments=True) if call else []


def _problems(command: Any, words: list[str]) -> Iterator[str]:  # noqa: ANN401 typer does not export its commands' type
    commands = getattr(command, "commands", None)
    is_value = False
    for index, word in enumerate(words):
        if word == "--":
            return
        if is_value:
            is_value = False
        elif word.startswith("-") and word != "-":
            if not _has_option(command, word):
                yield f"{command.name} has no option {word}"
            # Of a command with commands of its own, what follows an option must not be taken for one of them.
            is_value = commands is not None and _takes_value(command, word)
        elif commands is not None:
            if word in commands:
                yield from _problems(commands[word], words[index + 1 :])
            else:
                yield f"there is no command {word}"
            return


def _has_option(command: Any, word: str) -> bool:  # noqa: ANN401 see above
    names = {"-h", "--help"}.union(*((*option.opts, *option.secondary_opts) for option in command.params))
    # A short option may be repeated (-vv) or carry its value (-n5).
    return word.partition("=")[0] in names or (not word.startswith("--") and word[:2] in names)


def _takes_value(command: Any, word: str) -> bool:  # noqa: ANN401 see above
    options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
    return word in options and not (options[word].is_flag or options[word].count)
