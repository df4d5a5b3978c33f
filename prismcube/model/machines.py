"""The machines of consolidation, deletion and export: what their jobs go through, and how each can end.

A stage that fails rests in one of its own, so that a retry goes on where it was: what was done before is not done
again. A job that is cancelled takes back what it has done before it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prismcube.model.machine import Event, Level, Machine, Stage, Status


def _work(
    name: str,
    meaning: str,
    *,
    then: str,
    task: str,
    failed: str = "",
    cancel: str = "rollback",
    pause: Level = Level.ALL,
    fans_out: bool = False,
) -> Stage:
    """A stage of tasks; those that end badly lead to `<name>-failed`, unless `failed` says otherwise."""
    moves = {Event.DONE: then, Event.FAILED: failed or f"{name}-failed"}
    if cancel:
        moves[Event.CANCEL] = cancel
    return Stage(
        name=name, meaning=meaning, status=Status.RUNNING, task=task, fans_out=fans_out, pause=pause, moves=moves
    )


def _rest(of: str, meaning: str, *, cancel: str = "rollback") -> Stage:
    """Where a job rests whose stage `of` has failed."""
    moves = {Event.RETRY: of} | ({Event.CANCEL: cancel} if cancel else {})
    return Stage(name=f"{of}-failed", meaning=meaning, status=Status.FAILED, moves=moves)


def _end(name: str, meaning: str, status: Status, moves: Mapping[Event, str] | None = None) -> Stage:
    return Stage(name=name, meaning=meaning, status=status, moves=moves or {})


def _rollback(task: str, meaning: str, cancelled: str) -> Sequence[Stage]:
    """Taking back, and the end after it."""
    return (
        Stage(
            name="rollback",
            meaning=meaning,
            status=Status.RUNNING,
            task=task,
            pause=Level.NONE,  # whoever cancels has decided
            moves={Event.DONE: "cancelled", Event.FAILED: "rollback-failed"},
        ),
        _rest("rollback", "Something could not be taken back; a retry goes on with the rest.", cancel=""),
        _end("cancelled", cancelled, Status.DISMISSED),
    )


CONSOLIDATE = Machine(
    (
        _work(
            "prepare",
            "Datasets are chosen, checked and locked, and the files to be written are planned.",
            task="consolidate.prepare",
            then="consolidate",
        ),
        _work(
            "consolidate",
            "Files are being written, one task a cell and slab of records. Readers see none of them.",
            task="consolidate.slab",
            fans_out=True,
            pause=Level.MAJOR,
            then="index",
        ),
        _work(
            "index",
            "The new files are stored in the catalogue, their datasets inactive: readers don't see them.",
            task="consolidate.index",
            then="swap",
        ),
        _work(
            "swap",
            "By one transaction the new datasets become active and the old ones are marked for deletion.",
            task="consolidate.swap",
            pause=Level.CRITICAL,
            then="clean",
        ),
        _work(
            "clean",
            "Readers have the new files. All is unlocked, and a job is started that deletes old ones that are ours.",
            task="consolidate.clean",
            cancel="",
            then="done",
        ),
        _end(
            "done",
            "Readers have the new files. Old ones that are ours are deleted by a job of its own, named in the results.",
            Status.SUCCESSFUL,
        ),
        _rest("prepare", "Nothing could be planned; what it has locked stays locked until it goes on or is cancelled."),
        _rest("consolidate", "Some files could not be written. A retry writes those only."),
        _rest("index", "All files are written, but not all could be stored in the catalogue."),
        _rest("swap", "It is not known that the datasets were exchanged: readers have all old ones or all new ones."),
        _rest("clean", "Readers have the new files, but no job could be started to delete old ones.", cancel=""),
        *_rollback(
            "consolidate.rollback",
            "Its datasets and files are being removed; old datasets are active again, and unlocked.",
            "All is as it was before the job.",
        ),
    )
)
"""Of `consolidate`."""

DELETE_DATASETS = Machine(
    (
        _work(
            "prepare",
            "Datasets are chosen, checked and locked.",
            task="delete.prepare",
            then="mark",
        ),
        _work(
            "mark",
            "By one transaction the datasets are marked for deletion: readers don't see them any more.",
            task="delete.mark",
            pause=Level.CRITICAL,
            then="delete-files",
        ),
        _work(
            "delete-files",
            "Files that are ours, and of which no dataset is left, are being deleted.",
            task="delete.files",
            fans_out=True,
            pause=Level.CRITICAL,
            then="remove",
            failed="remove-rest",
        ),
        _work(
            "remove",
            "The files are gone; datasets are being removed from the catalogue.",
            task="delete.remove",
            cancel="",
            then="done",
        ),
        _end("done", "Datasets and files are gone.", Status.SUCCESSFUL),
        _work(
            "remove-rest",
            "Datasets are being removed from the catalogue, but some files are still there.",
            task="delete.remove-rest",
            cancel="",
            then="done-untidy",
        ),
        _end(
            "done-untidy",
            "The datasets are gone, but some files could not be deleted: the catalogue still has their entries. "
            "A retry tries these files again.",
            Status.SUCCESSFUL,
            {Event.RETRY: "delete-files"},
        ),
        _rest("prepare", "Nothing is deleted; what it has locked stays locked until it goes on or is cancelled."),
        _rest("mark", "Nothing is deleted: the datasets could not be marked."),
        _rest("remove", "The files are gone, but not all datasets could be removed from the catalogue.", cancel=""),
        _rest("remove-rest", "Not all datasets could be removed from the catalogue, nor all files.", cancel=""),
        *_rollback(
            "delete.rollback",
            "Datasets get back the status that they had, those whose file is gone already are removed.",
            "What could be kept is as it was before the job.",
        ),
    )
)
"""Of `delete-datasets`."""

EXPORT_CUBE = Machine(
    (
        _work("prepare", "The cube is planned and cut into parts.", task="export.prepare", then="compute"),
        _work(
            "compute",
            "Parts of the cube are being computed, one task a part.",
            task="export.part",
            fans_out=True,
            pause=Level.MAJOR,
            then="write",
        ),
        _work("write", "The parts are put together in one file.", task="export.write", then="clean"),
        _work("clean", "The file is in the storage; the parts are being removed.", task="export.clean", then="done"),
        _end("done", "The file is in the storage.", Status.SUCCESSFUL),
        _rest("prepare", "The cube could not be planned; the message says why."),
        _rest("compute", "Some parts could not be computed. A retry computes those only."),
        _rest(
            "write",
            "All parts are computed, but the file could not be written. A retry writes it; where nothing could be "
            "read, it reads all anew.",
        ),
        _rest("clean", "The file is in the storage, but not all of its parts could be removed."),
        *_rollback("export.rollback", "Its parts and its file are being removed.", "Nothing of it is left."),
    )
)
"""Of `export-cube`."""


def table_of(machine: Machine) -> str:
    """The stages as a table of Markdown, for the docs."""
    lines = ["| stage | status | waits at | meaning | then |", "| --- | --- | --- | --- | --- |"]
    for stage in machine.stages:
        moves = ", ".join(f"{event}: `{target}`" for event, target in stage.moves.items())
        waits = stage.pause.value if stage.task else ""
        lines.append(f"| `{stage.name}` | {stage.status} | {waits} | {stage.meaning} | {moves} |")
    return "\n".join(lines)
