"""The parts of the documentation that are made from the code."""

import json
from collections.abc import Iterable, Mapping, Sequence

from fleet.kernel.catalogue import KEYS
from fleet.kernel.key import Bounds, Default, Key
from fleet.policy.control import Control
from fleet.policy.playbook import load_profile_controls
from fleet.policy.profile import ProfileDocument
from fleet.policy.profile_source import shipped_profile, shipped_profile_names
from fleet.report.schema import schemas

NOTE = "<!-- Made by `make docs` from the code: change it there. -->\n"

CONTROLS_INTRODUCTION = """\
All controls of the shipped profiles. A playbook names the profiles that it wants; `expected` is what passes, `better`
what passes without a warning. Names in `{{ }}` are explained in [playbooks.md](playbooks.md#expressions), keys in
[keys.md](keys.md).
"""

KEYS_INTRODUCTION = """\
The sysctl keys that the catalogue knows. **Scope** says how far a value on the node reaches:

- `host`: one value for the machine.
- `host-namespace`: it acts in the host's own network namespace, where the NAT of Services happens.
- `namespace`: each network namespace has its own and starts at the kernel's default, so **pods do not inherit it**: on
  the node it reaches only host processes and pods with hostNetwork.

**Range** is what this tool accepts; the kernel itself accepts nonsense.
"""


def generated() -> dict[str, str]:
    """Content by path, from the top of the repository."""
    return {
        "docs/controls.md": controls_page(shipped_profiles()),
        "docs/keys.md": keys_page(KEYS.values()),
        **{f"docs/schemas/{name}.json": _json(schema) for name, schema in schemas().items()},
    }


def shipped_profiles() -> list[tuple[ProfileDocument, Sequence[Control]]]:
    """All profiles that come with fleet, by name, each with its controls."""
    loaded = map(shipped_profile, shipped_profile_names())
    return [(profile, load_profile_controls(document, profile)) for document, profile in loaded]


def controls_page(profiles: Sequence[tuple[ProfileDocument, Sequence[Control]]]) -> str:
    """What each control of the shipped profiles holds, why, and where that is from."""
    parts = [
        NOTE,
        "# Controls\n",
        CONTROLS_INTRODUCTION,
        _table(
            ["Profile", "Control", "Impact"],
            (
                [
                    f"[{profile.profile}](#profile-{profile.profile})",
                    f"[{control.id}](#{control.id})",
                    control.impact,
                ]
                for profile, controls in profiles
                for control in controls
            ),
        ),
    ]
    for profile, controls in profiles:
        parts += [f"## Profile {profile.profile}\n", f"{profile.title}.\n"]
        if profile.vars:
            rows = (
                [f"`{name}`", f"`{variable.default}`", _range(variable.at_least, variable.at_most), variable.why]
                for name, variable in profile.vars.items()
            )
            parts.append(_table(["Variable", "Default", "Range", "Why"], rows))
        parts += map(_control, controls)
    return "\n".join(parts)


def keys_page(keys: Iterable[Key]) -> str:
    """What the catalogue knows of each key."""
    return "\n".join([NOTE, "# Keys\n", KEYS_INTRODUCTION, *map(_key, keys)])


def _control(control: Control) -> str:
    lines = [
        f"### {control.id}\n",
        f"{control.title}.\n",
        f"- impact: {control.impact}",
        f"- setting: {control.setting.kind} `{control.setting.target}`",
        f"- expected: `{control.expect.describe()}`",
    ]
    if control.prefer is not None:
        lines.append(f"- better: `{control.prefer.describe()}`")
    if control.when is not None:
        lines.append(f"- only if: `{control.when}`; else skipped: {control.skip_reason}")
    lines += [f"- why: {_one_line(control.why)}", *_sources(control.sources)]
    return "\n".join(lines) + "\n"


def _key(key: Key) -> str:
    lines = [
        f"## {key.name}\n",
        f"{key.effect[0].upper()}{key.effect[1:]}.\n",
        f"- scope: {key.scope}",
        f"- kind: {key.kind}",
        f"- range: {_bounds(key.bounds)}",
        f"- default: {'; '.join(map(_default, key.defaults)) or 'none'}",
    ]
    if key.pod_remedy:
        lines.append(f"- for a pod: {key.pod_remedy}")
    return "\n".join([*lines, *_sources(key.sources)]) + "\n"


def _bounds(bounds: Bounds | None) -> str:
    return (
        "a counter, not set"
        if bounds is None
        else f"{_range(bounds.at_least, bounds.at_most)} ([source]({bounds.source}))"
    )


def _range(at_least: object, at_most: object) -> str:
    ends = [f"at least {at_least}" if at_least is not None else "", f"at most {at_most}" if at_most is not None else ""]
    return " and ".join(filter(None, ends)) or "any"


def _default(default: Default) -> str:
    value = "varies" if default.value is None else f"`{default.value}`" if default.value else "empty"
    since = f" since {default.since.major}.{default.since.minor}" if default.since.major else ""
    return f"{value}{since}{f' ({default.note})' if default.note else ''}"


def _sources(urls: Iterable[str]) -> list[str]:
    shown = ", ".join(f"<{url}>" for url in urls)
    return [f"- sources: {shown}"] if shown else []


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [
        list(titles),
        ["---"] * len(titles),
        *([_one_line(cell).replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _json(schema: Mapping[str, object]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
