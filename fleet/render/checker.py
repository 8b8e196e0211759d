"""The units of a node that checks itself."""

from fleet.render.files import MODE
from fleet.render.rendered import RenderedFile
from fleet.render.templates import Templates
from fleet.render.values import node_path, whole_number, words

_LEAST_SECONDS = 60
_MOST_SECONDS = 86_400


def checker_service(
    templates: Templates, *, path: str, script: str, textfile_dir: str | None, playbook: str
) -> RenderedFile:
    """The service that checks the node once.

    Args:
        templates: which to use.
        path: where it will be.
        script: the checker on the node.
        textfile_dir: where it may write metrics; None: nowhere.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    variables = {
        "playbook": words(playbook),
        "script": node_path("script", script, suffix=".sh"),
        "textfile_dir": node_path("textfile_dir", textfile_dir, suffix="") if textfile_dir is not None else None,
    }
    content = templates.render("fleet-check.service", variables)
    return RenderedFile(path=node_path("path", path, suffix=".service"), mode=MODE, content=content, controls=())


def checker_timer(templates: Templates, *, path: str, every: int, playbook: str) -> RenderedFile:
    """The timer that starts it.

    Args:
        templates: which to use.
        path: where it will be.
        every: seconds from the end of a check to the next.
        playbook: its name.

    Raises:
        RenderError: a value does not fit.
        DocumentError: a template fails.
    """
    seconds = whole_number("every", every, at_least=_LEAST_SECONDS, at_most=_MOST_SECONDS)
    content = templates.render("fleet-check.timer", {"playbook": words(playbook), "every": seconds})
    return RenderedFile(path=node_path("path", path, suffix=".timer"), mode=MODE, content=content, controls=())
