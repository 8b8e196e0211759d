"""Templates: those that come with fleet, and over them, file by file, those of a directory of one's own."""

import textwrap
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources.abc import Traversable
from pathlib import Path

import jinja2
from jinja2 import sandbox

from fleet.document import did_you_mean
from fleet.model.errors import DocumentError
from fleet.model.text import printable
from fleet.render.values import words

SUFFIX = ".j2"
_BACKSLASH = "\\"
_COMMENT_WIDTH = 100
_MOST_SHOWN = 300
# What controls say of themselves is the same on every node.
_MOST_COMMENTS = 1024
# What a template can run into with data that its author did not think of, beside Jinja's own errors.
_FAILURES = (jinja2.TemplateError, ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class Templates:
    """All templates, read and compiled once.

    Args:
        shipped: the folder of the templates that come with fleet.
        custom: a directory whose files take precedence. In it ``NAME.j2`` is the name of a shipped template, or begins
            with ``_``: a part that its other templates include. Other files are left alone.

    Raises:
        DocumentError: a template cannot be read or compiled, or has a name that nothing asks for.
    """

    def __init__(self, shipped: Traversable, custom: Path | None = None) -> None:
        files = dict(_templates(shipped))
        if custom is not None:
            files |= _own(custom, files)
        self._compile_all({name: (_text(file), str(file)) for name, file in files.items()})

    def __getstate__(self) -> dict[str, tuple[str, str]]:
        return self._sources

    def __setstate__(self, sources: dict[str, tuple[str, str]]) -> None:
        self._compile_all(sources)

    def _compile_all(self, sources: dict[str, tuple[str, str]]) -> None:
        self._sources = sources
        # Autoescaping is for HTML: here every value is checked before it comes.
        self._environment = sandbox.ImmutableSandboxedEnvironment(
            loader=jinja2.FunctionLoader(self._load),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters["comment"] = comment
        for name in self._sources:
            self._compile(name)

    def render(self, name: str, variables: Mapping[str, object]) -> bytes:
        """Render one template, such as ``sysctl.conf``, as UTF-8.

        Raises:
            DocumentError: the template uses what is not there, or fails; with its file and line.
        """
        template = self._environment.get_template(f"{name}{SUFFIX}")
        try:
            return template.render(variables).encode()
        except _FAILURES as error:
            raise self._refusal(error, self._sources[f"{name}{SUFFIX}"][1]) from None

    def _load(self, name: str) -> tuple[str, str, None] | None:
        source = self._sources.get(name)
        return None if source is None else (*source, None)

    def _compile(self, name: str) -> None:
        try:
            self._environment.get_template(name)
        except jinja2.TemplateSyntaxError as error:
            message = printable(error.message or "cannot be read", _MOST_SHOWN)
            raise DocumentError(message, path=self._sources[name][1], line=error.lineno) from None

    def _refusal(self, error: Exception, path: str) -> DocumentError:
        paths = {path for _, path in self._sources.values()}
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename in paths]
        where, line = (frames[-1].filename, frames[-1].lineno) if frames else (path, None)
        message = f"there is no template {error}" if isinstance(error, jinja2.TemplateNotFound) else str(error)
        return DocumentError(
            printable(message, _MOST_SHOWN), path=where, line=line, hint="docs/templates.md lists the variables"
        )


def comment(text: str) -> str:
    """The text as lines that begin with ``# ``, for the templates."""
    return _comment(words(text))


@lru_cache(maxsize=_MOST_COMMENTS)
def _comment(line: str) -> str:
    lines = textwrap.wrap(line, _COMMENT_WIDTH, break_long_words=False, break_on_hyphens=False)
    # modprobe.d goes on after a backslash at the end of a line, even of a comment: the next line would be lost.
    return "\n".join(f"# {line.rstrip(_BACKSLASH)}" for line in lines)


def _templates(folder: Traversable) -> Iterator[tuple[str, Traversable]]:
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(SUFFIX):
            yield file.name, file


def _own(custom: Path, shipped: Mapping[str, Traversable]) -> Mapping[str, Traversable]:
    try:
        files = dict(_templates(custom))
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=str(custom)) from None
    for name, file in files.items():
        if name not in shipped and not name.startswith("_"):
            raise DocumentError(
                "nothing asks for this template", path=str(file), hint=did_you_mean(name, list(shipped))
            )
    return files


def _text(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise DocumentError("is not UTF-8 text", path=str(file)) from None
    except OSError as error:
        raise DocumentError(f"cannot be read: {error.strerror}", path=str(file)) from None
