"""`prismcube job`: the jobs of a catalogue, without going through HTTP."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from prismcube.errors import InvalidInput, PrismcubeError
from prismcube.model.machine import Level, Status
from prismcube.model.period import format_instant
from server.cli.options import ConfigOption, HomeOption, settings_for

if TYPE_CHECKING:
    from prismcube.jobs.entities import Job
    from prismcube.jobs.ledger import Ledger
    from processes.tools import Tools

jobs = typer.Typer(no_args_is_help=True, help="Submit, watch and steer jobs.")

JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job.")]

LOOK_SECONDS = 0.2


class NotWell(PrismcubeError):
    """A job that was waited for did not end well, or waits for a person itself."""


class Output(StrEnum):
    """How lists are printed."""

    TABLE = "table"
    JSON = "json"


@jobs.command("processes")
def processes() -> None:
    """List the processes there are, with their inputs.

    Example: prismcube job processes
    """
    from server.jobs.registry import PROCESSES

    table = Table("process", "inputs (* required)", "what it does")
    for one in PROCESSES.values():
        names = [f"{name}{'*' if value.required else ''}" for name, value in one.inputs.items()]
        table.add_row(one.id, ", ".join(names), one.description)
    Console(highlight=False).print(table)


@jobs.command("submit")
def submit(
    process: Annotated[str, typer.Argument(metavar="PROCESS", help="As `job processes` lists them.")],
    inputs: Annotated[
        str, typer.Argument(metavar="INPUTS", help="JSON object, or @FILE that has it, or - for standard input.")
    ] = "{}",
    level: Annotated[Level, typer.Option(help="How often it waits for `job continue`.")] = Level.NONE,
    priority: Annotated[int, typer.Option(help="Higher ones first.")] = 0,
    key: Annotated[str | None, typer.Option(help="Idempotency key: to submit it twice is to submit it once.")] = None,
    most_bytes: Annotated[int | None, typer.Option(min=1, help="That its tasks may read.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="That it may run for.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end; the exit code tells how it was.")] = False,
    estimate: Annotated[bool, typer.Option("--estimate", help="Only tell what it would cost.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Submit a job; `serve` or `worker` executes it.

    Example: prismcube job submit consolidate '{"collection": "s2-romania", "layout": "series"}' --wait
    """
    from prismcube.jobs.addresses import Addresses
    from prismcube.jobs.entities import NewJob
    from prismcube.jobs.references import References
    from processes.validation import check_limit, checked_inputs
    from server.jobs.registry import process_of

    with _opened(config, home) as (tools, ledger):
        chosen = process_of(process)
        given = checked_inputs(chosen, _parsed(inputs), follow=References(Addresses()).following())
        check_limit(chosen, given, most_bytes)
        if estimate:
            print(json.dumps(chosen.estimate(tools, given).to_json(), indent=2))
            return
        wanted = NewJob(
            process=process,
            inputs=given,
            level=level,
            priority=priority,
            key=key,
            most_bytes=most_bytes,
            seconds=seconds,
        )
        if ledger.submitted_before(wanted) is None:
            chosen.check(tools, given)
        one, new = ledger.submit(wanted)
        print(one.id if new or wait else f"{one.id} (submitted before)")
        if wait:
            _wait(ledger, one.id)


@jobs.command("list")
def list_jobs(
    process: Annotated[list[str] | None, typer.Option(help="Only of these processes.")] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Only of these statuses.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 20,
    output: Annotated[Output, typer.Option(help="How they are printed.")] = Output.TABLE,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """List jobs, the newest first.

    Example: prismcube job list --status failed --limit 5
    """
    from prismcube.jobs.job_filter import JobFilter

    with _opened(config, home) as (_, ledger):
        wanted = JobFilter(processes=process or (), statuses=status or ())
        found = ledger.jobs(wanted, limit=limit)
    if output is Output.JSON:
        print(json.dumps([_as_json(one) for one in found], indent=2))
        return
    table = Table("job", "process", "status", "stage", "tasks left", "created", "message")
    for one in found:
        status_ = "paused" if one.paused else one.status.value
        created = format_instant(one.created)
        table.add_row(one.id, one.process, status_, one.stage, str(one.open), created, one.message)
    Console(highlight=False).print(table)


@jobs.command("show")
def show(job: JobArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Print all there is to know of a job, as JSON.

    Example: prismcube job show 0b7c6a2e-...
    """
    with _opened(config, home) as (_, ledger):
        print(json.dumps(_as_json(ledger.whole(job)), indent=2))


@jobs.command("log")
def log(
    job: JobArgument,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many lines, the oldest first.")] = 1000,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Print the log of a job.

    Example: prismcube job log 0b7c6a2e-...
    """
    with _opened(config, home) as (_, ledger):
        for line in ledger.log(job, limit=limit):
            print(f"{format_instant(line.time)} {line.level:7} {line.stage}: {line.message}")


@jobs.command("wait")
def wait_for(job: JobArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Wait for the end of a job; the exit code tells how it was.

    Example: prismcube job wait 0b7c6a2e-...
    """
    with _opened(config, home) as (_, ledger):
        _wait(ledger, job)


@jobs.command("retry")
def retry(
    job: JobArgument,
    force: Annotated[bool, typer.Option("--force", help="Also what has not ended, wherever it runs.")] = False,
    config: ConfigOption = None,
    home: HomeOption = None,
) -> None:
    """Try again what failed; what is done stays done.

    Example: prismcube job retry 0b7c6a2e-...
    """
    with _opened(config, home) as (_, ledger):
        _told(ledger.retry(job, force=force))


@jobs.command("continue")
def resume(job: JobArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Let a job go on that waits between its stages.

    Example: prismcube job continue 0b7c6a2e-...
    """
    with _opened(config, home) as (_, ledger):
        _told(ledger.resume(job))


@jobs.command("cancel")
def cancel(job: JobArgument, config: ConfigOption = None, home: HomeOption = None) -> None:
    """Stop a job and take back what it has begun, where its process can.

    Example: prismcube job cancel 0b7c6a2e-...
    """
    with _opened(config, home) as (_, ledger):
        _told(ledger.cancel(job))


@contextmanager
def _opened(config: Path | None, home: Path | None) -> Iterator[tuple[Tools, Ledger]]:
    from prismcube.catalogue import Catalogue, migrate
    from prismcube.storage.uri import canonical_uri
    from server.jobs.runtime import make_tools, open_ledger

    settings = settings_for(config, home=home)
    migrate(settings.catalogue_url)
    catalogue = Catalogue(settings.catalogue_url, managed=canonical_uri(settings.managed))
    ledger = open_ledger(settings, catalogue)
    try:
        yield make_tools(settings, catalogue, ledger), ledger
    finally:
        catalogue.close()


def _parsed(text: str) -> Any:
    """Raises InvalidInput."""
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except OSError as error:
            raise InvalidInput("inputs", f"{text[1:]} can't be read: {error.strerror}") from error
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput("inputs", f"are no JSON: {error}") from error


def _wait(ledger: Ledger, id: str) -> None:
    """Raises NotWell."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        shown = bar.add_task("")
        while not (one := ledger.get(id)).finished or one.stopping:
            done = one.tasks - one.open + ledger.running(id)
            bar.update(shown, description=one.message[:60], completed=done, total=max(one.tasks, 1))
            if one.paused:
                raise NotWell(f"job {id} {one.message}: prismcube job continue {id}")
            time.sleep(LOOK_SECONDS)
    if one.status is not Status.SUCCESSFUL:
        raise NotWell(f"job {id} is {one.status}: {one.message}")
    print(json.dumps(dict(ledger.whole(id).results), indent=2))


def _told(one: Job) -> None:
    print(f"{one.status} in the stage {one.stage!r}: {one.message}")


def _as_json(one: Job) -> dict[str, Any]:
    found = {name: getattr(one, name) for name in one.__dataclass_fields__}
    for name in ("created", "started", "updated", "finished"):
        found[name] = found[name] and format_instant(found[name])
    return found | {"level": one.level.value, "status": one.status.value}
