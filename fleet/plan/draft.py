"""The files that give a node the values of its goals at the next boot, and the facts as they would be with them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from fleet.kernel.boot import BootSet, resolve_boot
from fleet.kernel.boot.acceptance import BUCKETS
from fleet.kernel.boot.module import CONNTRACK, hashsize, owner, state_of
from fleet.kernel.boot.resolve import MAX
from fleet.kernel.k3s import k3s_given
from fleet.kernel.keys_ipvs import IPVS_NAMES
from fleet.kernel.outlook import Outlook, look_ahead
from fleet.kernel.values import equal
from fleet.kernel.writers import Writer, proxy_settings
from fleet.model.errors import DocumentError
from fleet.model.facts import NodeFacts, NodeProcess, Sysctl
from fleet.plan.common import KEPT, KEPT_WHY, Context, content, is_managed, is_there, with_files
from fleet.plan.decide import Goal
from fleet.plan.drop_ins import drop_ins
from fleet.plan.ipvs import ipvs_unit, with_ipvs_unit, with_timeouts
from fleet.plan.model import Refused
from fleet.render import (
    SNIPPET_NAMES,
    ModuleLine,
    ProxyArgument,
    Reason,
    RenderedFile,
    RenderError,
    SysctlLine,
    checked_settings,
    k3s_config_snippet,
    modprobe_hashsize_file,
    modules_file,
    sysctl_file,
)

SYSCTL_NAMES = ("/etc/sysctl.d/90-fleet.conf", "/etc/sysctl.d/99-zz-fleet.conf", "/etc/sysctl.d/zz-fleet.conf")
"""Names for the one file of a node, in the order in which they are tried."""

MODULES_NAMES = ("/etc/modules-load.d/fleet.conf", "/etc/modules-load.d/zz-fleet.conf")
MODPROBE_NAMES = ("/etc/modprobe.d/fleet.conf", "/etc/modprobe.d/zz-fleet.conf")

_FOREIGN = re.compile(r"^(?!kube-proxy-arg\+:)[^\s#-]", re.MULTILINE)
_LINE = re.compile(r"^([a-z][^\s=#]*)[ \t]*=[ \t]*(.*?)[ \t]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Files to write and to remove.

    Attributes:
        files: with the content that they will have; those that are so already are not among them.
        removed: files of an earlier plan that another one replaces.
        after: the facts as they will be.
        outlook: for all wanted keys, by these facts.
        unwritable: why a file could not be made, by the key that it is for.
        refused: modules and drop-ins for which a file could not be made.
    """

    files: tuple[RenderedFile, ...]
    removed: tuple[str, ...]
    after: NodeFacts
    outlook: Outlook
    unwritable: Mapping[str, str]
    refused: tuple[Refused, ...] = ()


def draft(goals: Sequence[Goal], modules: Sequence[ModuleLine], facts: NodeFacts, context: Context) -> Draft:
    """Make the files for a node.

    Args:
        goals: keys with their values.
        modules: to load at each boot, whatever the goals need.
        facts: of the node.
        context: of the plan.
    """
    files: list[RenderedFile] = []
    after = _with_values(facts, goals)
    if lost := _unfit(goals):
        return Draft(files=(), removed=(), after=after, outlook=look_ahead(after, context.keys), unwritable=lost)
    kept = _kept_lines(goals, facts, context)
    unloaded: list[Refused] = []
    try:
        files += _modules([*modules, *_modules_for(goals, after)], after, context)
    except RenderError as error:
        lost = {goal.key: str(error) for goal in goals if tuple(_modules_for([goal], after))}
        unloaded = [Refused(target=line.module, controls=(line.control,), reason=str(error)) for line in modules]
    after = with_files(after, files)
    if (buckets := next((goal for goal in goals if goal.key == BUCKETS and goal.boot), None)) is not None:
        table, limit = _table(buckets, goals, after, kept, context)
        files += table
        kept = [*kept, *limit]
        after = with_files(after, table)
    removed: tuple[str, ...] = ()
    lines = _lines(goals)
    try:
        if lines:
            file, removed = _sysctls([*kept, *lines], goals, after, context)
            files.append(file)
            after = with_files(after, [file], removed)
    except RenderError as error:
        lost |= {line.key: str(error) for line in lines}
    timeouts = [goal for goal in goals if goal.key in IPVS_NAMES]
    try:
        if timeouts:
            file = ipvs_unit(timeouts, facts, context)
            files.append(file)
            after = with_ipvs_unit(with_timeouts(after, timeouts), file)
    except RenderError as error:
        lost |= {goal.key: str(error) for goal in timeouts}
    prepared = drop_ins(goals, after, context)
    files += prepared.files
    after = with_files(after, prepared.files)
    outlook = look_ahead(after, context.keys)
    snippets, unmade = _snippets(goals, after, outlook, context)
    lost |= unmade
    if snippets:
        files += snippets
        after = with_files(after, snippets)
        outlook = look_ahead(after, context.keys)
    return Draft(
        files=tuple(file for file in files if not is_there(facts, file)),
        removed=removed,
        after=after,
        outlook=outlook,
        unwritable=lost,
        refused=(*unloaded, *prepared.refused),
    )


def _unfit(goals: Iterable[Goal]) -> dict[str, str]:
    """Why a goal does not fit into a file by itself, so that it does not hold up the others."""
    found: dict[str, str] = {}
    for line in _lines(goals):
        try:
            checked_settings([line])
        except RenderError as error:
            found[line.key] = str(error)
    return found


def _with_values(facts: NodeFacts, goals: Iterable[Goal]) -> NodeFacts:
    written = {
        goal.key: Sysctl(key=goal.key, value=goal.value, writable=True)
        for goal in goals
        if goal.live and goal.key not in IPVS_NAMES
    }
    return replace(facts, sysctls={**facts.sysctls, **written})


def _free(names: Sequence[str], facts: NodeFacts) -> list[str]:
    """The names that fleet may use, one that it uses already first."""
    free = [name for name in names if name not in facts.files or is_managed(facts.files[name])]
    return sorted(free, key=lambda name: name not in facts.files)


def _modules_for(goals: Iterable[Goal], facts: NodeFacts) -> Iterator[ModuleLine]:
    for goal in goals:
        module = owner(goal.key)
        if goal.boot and module is not None and state_of(facts, module).loaded is not True:
            why = f"Without it the keys of {module} are lost at boot, because it is loaded too late."
            yield ModuleLine(module=module, control=goal.controls[0], why=why)


def _modules(wanted: Sequence[ModuleLine], facts: NodeFacts, context: Context) -> list[RenderedFile]:
    if not wanted:
        return []
    names = _free(MODULES_NAMES, facts)
    if not names:
        raise RenderError(f"files of somebody else have the names {', '.join(MODULES_NAMES)}: move one of them away")
    listed = (content(facts, names[0]) or b"").decode(errors="replace").splitlines()
    present = [line.strip() for line in listed if line.strip() and not line.startswith(("#", ";"))]
    if {line.module for line in wanted} <= set(present):
        return []
    earlier = [ModuleLine(module=name, control=KEPT, why=KEPT_WHY) for name in present]
    lines = {line.module: line for line in (*earlier, *reversed(wanted))}
    return [modules_file(context.templates, path=names[0], modules=tuple(lines.values()), playbook=context.playbook)]


def _table(
    buckets: Goal, goals: Sequence[Goal], facts: NodeFacts, kept: Sequence[SysctlLine], context: Context
) -> tuple[list[RenderedFile], list[SysctlLine]]:
    """The module's own option for the hash table, so that it holds whenever the module is loaded.

    The option also makes the limit eight times as large, so a limit that no file sets is then written down as it is.
    """
    names = _free(MODPROBE_NAMES, facts)
    builtin = isinstance(facts.builtin_modules, frozenset) and CONNTRACK in facts.builtin_modules
    limit = facts.sysctls.get(MAX)
    is_set = isinstance(resolve_boot(facts, (MAX,))[MAX], BootSet) or MAX in {line.key for line in kept}
    is_set = is_set or any(goal.key == MAX and goal.boot for goal in goals)
    if builtin or not names or not (is_set or (limit is not None and isinstance(limit.value, str))):
        return [], []
    control = buckets.controls[0]
    file = modprobe_hashsize_file(
        context.templates,
        path=names[0],
        buckets=int(buckets.value),
        reason=Reason(control=control, why=buckets.wants[0].control.why),
        playbook=context.playbook,
    )
    option = hashsize(with_files(facts, [file]))
    if option is None or isinstance(option, str) or option.origin.path != file.path:
        return [], []  # another line gives the option its value; sysctl.d sets the key by itself
    if is_set or limit is None or not isinstance(limit.value, str):
        return [file], []
    why = "The option hashsize of nf_conntrack would make it eight times the buckets."
    return [file], [SysctlLine(key=MAX, value=limit.value, control=control, why=why)]


def _lines(goals: Iterable[Goal]) -> list[SysctlLine]:
    return [
        SysctlLine(key=goal.key, value=goal.value, control=goal.controls[0], why=goal.wants[0].control.why)
        for goal in goals
        if goal.boot and goal.key not in IPVS_NAMES
    ]


def _kept_lines(goals: Sequence[Goal], facts: NodeFacts, context: Context) -> list[SysctlLine]:
    """What earlier plans wrote into the file and this one does not change."""
    by_key = {want.control.setting.target: want.control for want in reversed(context.wants)}
    changed = {goal.key for goal in goals if goal.boot}
    found: dict[str, SysctlLine] = {}
    for path in SYSCTL_NAMES:
        if path in facts.files and is_managed(facts.files[path]):
            text = (content(facts, path) or b"").decode(errors="replace")
            for key, value in _LINE.findall(text):
                control = by_key.get(key)
                found[key] = SysctlLine(
                    key=key,
                    value=value,
                    control=control.id if control is not None else KEPT,
                    why=control.why if control is not None else KEPT_WHY,
                )
    return [line for key, line in found.items() if key not in changed]


def _sysctls(
    lines: Sequence[SysctlLine], goals: Sequence[Goal], facts: NodeFacts, context: Context
) -> tuple[RenderedFile, tuple[str, ...]]:
    """The file under the first name with which the most goals win, and the files that it replaces."""
    wanted = {goal.key: goal.value for goal in goals if goal.boot and goal.key not in IPVS_NAMES}
    names = _free(SYSCTL_NAMES, facts)
    if not names:
        raise RenderError(f"files of somebody else have the names {', '.join(SYSCTL_NAMES)}: move one of them away")
    managed = [path for path in SYSCTL_NAMES if path in facts.files and is_managed(facts.files[path])]
    made = sysctl_file(context.templates, path=names[0], settings=lines, playbook=context.playbook)

    def attempt(path: str) -> tuple[RenderedFile, tuple[str, ...]]:
        return replace(made, path=path), tuple(other for other in managed if other != path)

    def wins(made: tuple[RenderedFile, tuple[str, ...]]) -> int:
        file, removed = made
        boot = resolve_boot(with_files(facts, [file], removed), tuple(wanted))
        return sum(isinstance(value, BootSet) and equal(key, value.value, wanted[key]) for key, value in boot.items())

    return max((attempt(path) for path in names), key=wins)


def _snippets(
    goals: Sequence[Goal], facts: NodeFacts, outlook: Outlook, context: Context
) -> tuple[list[RenderedFile], dict[str, str]]:
    """The files by which writers write the wanted values themselves, or why there are none, by key."""
    overruled = [
        (goal, writer)
        for goal in goals
        if not goal.accepts(outlook.keys[goal.key].after_reboot.value)
        for writer in outlook.keys[goal.key].writers
        if not goal.accepts(writer.value)
    ]
    try:
        return _proxy_arguments(overruled, facts, context), {}
    except (RenderError, DocumentError) as error:
        return [], {goal.key: str(error) for goal, _ in overruled}


def _proxy_arguments(
    overruled: Iterable[tuple[Goal, Writer]], facts: NodeFacts, context: Context
) -> list[RenderedFile]:
    """The file for k3s or RKE2 by which they write the wanted values themselves."""
    processes = facts.processes if isinstance(facts.processes, tuple) else ()
    process = next((each for each in processes if each.name.startswith(("k3s", "rke2"))), None)
    settings = [
        ProxyArgument(name=each.flag, value=each.text, control=goal.controls[0], why=goal.wants[0].control.why)
        for goal, writer in overruled
        if writer.place.startswith("/etc/rancher/")
        for each in proxy_settings(goal.key, goal.value)
    ]
    if process is None or not settings:
        return []
    arguments = {argument.name: argument for argument in (*_earlier_arguments(process, facts), *settings)}
    return [
        k3s_config_snippet(
            context.templates,
            process=process,
            files=facts.files,
            arguments=tuple(arguments.values()),
            playbook=context.playbook,
        )
    ]


def _earlier_arguments(process: NodeProcess, facts: NodeFacts) -> Iterator[ProxyArgument]:
    """What an earlier plan told kube-proxy; its file is known by its name, because the probe takes comments away.

    Raises:
        RenderError: a file of that name says something that fleet does not write.
    """
    for path, file in facts.files.items():
        text = (file.content or b"").decode(errors="replace")
        if path.startswith("/etc/rancher/") and path.endswith(SNIPPET_NAMES) and _FOREIGN.search(text):
            raise RenderError(f"{path} says more than fleet has written there: give the rest a file of its own")
    for given in k3s_given(process, facts.files, "kube-proxy-arg"):
        if given.origin.rpartition(":")[0].endswith(SNIPPET_NAMES):
            name, _, value = given.text.partition("=")
            yield ProxyArgument(name=name, value=value, control=KEPT, why=KEPT_WHY)
