"""The command line: one module a group of verbs. `app` is the entry point `prismcube`."""

from __future__ import annotations

import gc
import sys

import typer

from server.cli import (
    bench,
    bench_cube,
    bench_jobs,
    catalogue,
    check,
    demo,
    entities,
    job,
    keys,
    register,
    run_plan,
    serve,
    worker,
)
from server.cli.errors import exit_code

typer_app = typer.Typer(
    name="prismcube",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Satellite images as collections, cubes, time series and maps.",
)
typer_app.command("demo")(demo.demo)
typer_app.command("serve")(serve.serve)
typer_app.command("worker")(worker.worker)
typer_app.command("migrate")(catalogue.migrate)
typer_app.command("index")(catalogue.index)
typer_app.command("register")(register.register)
typer_app.add_typer(catalogue.collections, name="collection")
typer_app.add_typer(entities.entities, name="catalogue")
typer_app.add_typer(keys.keys, name="key")
typer_app.add_typer(job.jobs, name="job")
typer_app.command("run-plan")(run_plan.run_plan)
typer_app.command("tidy")(entities.tidy)
typer_app.add_typer(bench.bench, name="bench")
bench.bench.command("cube")(bench_cube.measure_cube)
bench.bench.command("jobs")(bench_jobs.measure_jobs)
typer_app.command("check-config")(check.check_config)

YOUNG = 50_000
"""Objects, net, until Python looks for cycles among the newest (700 by itself). What a command loads is hundreds of
thousands that all stay: to go through them again and again is a seventh of the time that a server takes to start."""


def app() -> None:
    """Run the command line; errors we raise on purpose are a sentence and an exit code."""
    gc.set_threshold(YOUNG)
    if code := exit_code(typer_app):
        sys.exit(code)
