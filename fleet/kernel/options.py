"""Command line options as Go programs take them."""

from collections.abc import Iterator, Sequence


def option(arguments: Sequence[str], name: str) -> str | None:
    """The value of ``--name=value`` or ``--name value``; the last one counts, None where there is none."""
    values = options(arguments, name)
    return values[-1] if values else None


def options(arguments: Sequence[str], name: str) -> tuple[str, ...]:
    """Every value of an option that may be repeated; an option without a value gives an empty text."""
    return tuple(_values(arguments, name))


def _values(arguments: Sequence[str], name: str) -> Iterator[str]:
    for index, argument in enumerate(arguments):
        if not argument.startswith("-"):
            continue
        key, equals, value = argument.lstrip("-").partition("=")
        if key == name:
            following = arguments[index + 1] if index + 1 < len(arguments) else ""
            yield value if equals else "" if following.startswith("-") else following
