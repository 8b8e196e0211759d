"""``fleet apply``: bring a plan onto the nodes."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from fleet.cli import options
from fleet.cli.confirm import check_can_ask, confirm
from fleet.cli.output import check_output, explain, message_width
from fleet.cli.playbook import find_playbook
from fleet.cli.recording import recorded
from fleet.cli.rollout_run import (
    Format,
    FormatOption,
    VerboseOption,
    YesOption,
    carry_out,
    hosts_of,
    record_outcome,
    tell,
    who,
)
from fleet.cli.shipped import shipped
from fleet.cli.target import Target, new_transport, target, visiting
from fleet.drift.history.location import history_location
from fleet.model.errors import UsageError
from fleet.model.rollout import RunResult, VerifyGate
from fleet.plan import Plan, load_plan
from fleet.policy import Policy, load_playbook
from fleet.render import Templates
from fleet.report.intent_terminal import Intent, hosts_to_change, render_intent
from fleet.report.past_run_terminal import render_resume
from fleet.report.plan_terminal import render_plan
from fleet.report.words import count_hosts
from fleet.rollout import ApplyRequest, ResumeRequest, plan_of, planned_batches, result_of, resume
from fleet.rollout import apply as apply_plan
from fleet.runner.choice import Runner, check_deciding_here
from fleet.runner.connection import ConnectionSettings
from fleet.runner.fleet import DEFAULT_WORKERS, Fleet
from fleet.runner.plan import plan as plan_hosts


@options.connects
def apply(
    settings: ConnectionSettings,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[PLAN.json|PLAYBOOK]", help="A plan that was saved; or a playbook, planned now."),
    ] = None,
    inventory: options.InventoryOption = "inventory",
    limit: options.LimitOption = None,
    local: options.LocalOption = False,
    resumed: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with a run that was interrupted, or end it.")
    ] = None,
    yes: YesOption = False,
    form: FormatOption = Format.TABLE,
    output: options.OutputOption = None,
    history: options.HistoryOption = None,
    state_dir: options.StateDirOption = options.DEFAULT_STATE_DIR,
    templates: Annotated[
        Path | None,
        typer.Option("--templates", metavar="DIR", file_okay=False, help="Templates that take precedence over ours."),
    ] = None,
    verbose: VerboseOption = 0,
    workers: options.WorkersOption = DEFAULT_WORKERS,
    runner: options.DecidingRunnerOption = Runner.AUTO,
    scheduler: options.SchedulerOption = None,
) -> None:
    """Change nodes as planned, in batches. A node that is not confirmed undoes its change by itself.

    Exit code 0: all is as planned. 1: a host failed. 2: usage. 4: stopped or undone. 130: interrupted.
    """
    check_deciding_here(runner, local=local, scheduler=scheduler)
    kept = history_location(history, state_dir)
    is_saved = what is not None and what.endswith(".json")

    ended = ExitStack()

    def reach(policy: Policy | None = None) -> Target:
        return target(inventory=inventory, local=local, limit=limit, policy=policy, scheduler=scheduler)

    def plan_now(playbook: str, policy: Policy) -> tuple[Plan, Target]:
        compiled, chosen = Templates(shipped("templates"), templates), reach(policy)
        with visiting("planning", chosen, settings=settings, workers=workers) as fleet:
            plan = plan_hosts(fleet, policy, hosts=chosen.names, playbook=playbook, templates=compiled)
        # Connections of their own: the answer to the question that follows may take its time.
        return plan, replace(chosen, transport=new_transport(local=local, scheduler=scheduler))

    def begin(name: str) -> RunResult:
        if is_saved:
            plan, chosen = load_plan(Path(name)), reach()
            policy = _playbook_of(plan)
        else:
            policy = load_playbook(find_playbook(name))
            plan, chosen = plan_now(name, policy)
        hosts = hosts_of(plan.hosts, chosen, of="plan")
        # A plan that was saved has been reviewed already.
        _ask(plan, hosts, yes=yes, verbosity=None if is_saved and not verbose else verbose)
        record = ended.enter_context(recorded("apply", kept, playbook=plan.playbook, digest=plan.playbook_digest))
        request = ApplyRequest(
            plan=plan, hosts=hosts, state_dir=state_dir, who=who(), policy=policy, own_run_id=record.run_id
        )
        with Fleet(chosen.inventory, chosen.transport, settings=settings, workers=workers) as fleet:
            result = carry_out(
                lambda progress, stop: apply_plan(fleet, request, progress, stop), again=_again(record.run_id)
            )
        record_outcome(record, result, plan)
        return result

    def go_on(run_id: str) -> RunResult:
        plan, so_far, chosen = plan_of(run_id, state_dir), result_of(run_id, state_dir), reach()
        hosts_of(so_far.hosts, chosen, of="run")
        request = ResumeRequest(run_id=run_id, state_dir=state_dir, who=who(), policy=_playbook_of(plan))
        explain(render_resume(so_far, width=message_width()))
        confirm("Go on with it?", yes=yes)
        record = ended.enter_context(
            recorded("apply", kept, playbook=plan.playbook, digest=plan.playbook_digest, run_id=run_id)
        )
        with Fleet(chosen.inventory, chosen.transport, settings=settings, workers=workers) as fleet:
            result = carry_out(lambda progress, stop: resume(fleet, request, progress, stop), again=_again(run_id))
        record_outcome(record, result, plan)
        return result

    match what, resumed:
        case str(name), None:
            run = partial(begin, name)
        case None, str(run_id):
            run = partial(go_on, run_id)
        case _:
            raise UsageError("name a plan or a playbook; or, with --resume, the run to go on with")
    if templates is not None and (resumed is not None or is_saved):
        raise UsageError("--templates is for playbooks: a plan has the bytes of its files already")
    if limit is not None and resumed is not None:
        raise UsageError("--resume goes on with all hosts of its run: leave --limit out")
    check_output(output)
    check_can_ask(yes=yes, command="fleet apply")
    with ended:
        tell(run(), form=form, verbosity=verbose, output=output)


def _playbook_of(plan: Plan) -> Policy | None:
    """The playbook of a plan that was saved, where a gate needs it.

    Raises:
        UsageError: it, or a profile of it, is not what the plan was made from.
    """
    if not any(isinstance(gate, VerifyGate) for gate in plan.rollout.gates):
        return None
    policy = load_playbook(find_playbook(plan.playbook))
    if policy.digest != plan.playbook_digest:
        raise UsageError(
            f"{plan.playbook} or a profile of it was changed after the plan was made, so the gate 'verify' would hold"
            " the nodes to something else: make a new plan"
        )
    return policy


def _ask(plan: Plan, hosts: tuple[str, ...], *, yes: bool, verbosity: int | None) -> None:
    """Tell what will happen, and ask for a yes.

    Args:
        plan: of which the hosts are chosen.
        hosts: their names.
        yes: was said already.
        verbosity: with which the plan is told; None leaves it out.
    """
    chosen = replace(plan, hosts={name: plan.hosts[name] for name in hosts})
    intent = Intent(plan=chosen, batches=planned_batches(plan, hosts), others=len(plan.hosts) - len(hosts))
    if verbosity is not None:
        explain(render_plan(chosen, verbosity=verbosity, width=message_width()))
    explain(render_intent(intent, width=message_width()))
    if count := hosts_to_change(intent):
        confirm(f"Apply this to {count_hosts(count)}?", yes=yes)


def _again(run_id: str) -> str:
    return f"fleet apply --resume {run_id}"
