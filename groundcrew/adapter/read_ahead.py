"""Reads at once what the operations of a run are about to read.

An operation reads the host's state when its turn comes: a command of its own, and so a round trip.
In a run with nothing to do these are nearly all of its commands. So the first fact of a run makes
the operations marked with `groundcrew.read_first` say what they will read first, and one command
reads it all, side by side. Each operation then takes its answer instead of asking the host.

An answer counts only while nothing has changed: the first command of an operation, on any host of
the run, that is not a fact ends reading ahead, and operations ask the host again. With `-vvv` or
`--debug` nothing is read ahead, so that each command is shown in its place.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pyinfra.api import Host, State, StringCommand
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.connectors.util import CommandOutput, OutputLine

from groundcrew import remote
from groundcrew.adapter.patching import expect, replace
from groundcrew.facts.several import ReadAnswer
from groundcrew.read_first import (
    ASKING,
    AskedError,
    Asking,
    ProgramRun,
    Question,
    Readable,
    reads_first,
)

ANSWERS = "groundcrew_read_ahead"
OVER = "groundcrew_read_ahead_over"
READING: ContextVar[bool] = ContextVar("groundcrew_reading", default=False)
"""Whether the current command is that of a fact."""

OPERATION = (
    "in_op",
    "current_op_hash",
    "current_op_global_arguments",
    "current_op_deploy_data",
    "executing_op_hash",
    "nested_executing_op_hash",
)
"""What pyinfra notes about a host's current operation."""

Run = Callable[..., tuple[bool, CommandOutput]]


@dataclass
class Answer:
    """What was read, and the operations that asked for it."""

    text: str
    takers: set[str]

    def take(self, operation: str | None, *, steady: bool) -> str | None:
        """The answer for an operation; None if it must read for itself. It is taken once: what
        reads the same again expects something new. If it is steady, each operation takes it once.
        """
        if operation not in self.takers:
            return None
        if steady:
            self.takers.discard(operation)
        else:
            self.takers.clear()
        return self.text


def install() -> None:
    """Applies the change, once. Raises UnexpectedPyinfraError if pyinfra is not as expected."""
    expect(Host, "get_fact", "name_or_cls")
    expect(Host, "run_shell_command")
    expect(Host, "put_file")
    expect(State, "get_op_order")
    expect(State, "get_op_data_for_host", "host", "op_hash")
    replace(Host, "get_fact", _noting_facts)
    replace(Host, "run_shell_command", _from_answers)
    replace(Host, "put_file", _ending)


def _noting_facts(get_fact: Callable[..., Any]) -> Callable[..., Any]:
    def get_noted_fact(self: Host, *args: Any, **kwargs: Any) -> Any:
        token = READING.set(True)
        try:
            return get_fact(self, *args, **kwargs)
        finally:
            READING.reset(token)

    return get_noted_fact


def _ending(method: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Host, *args: Any, **kwargs: Any) -> Any:
        if ASKING.get() is not None:
            raise AskedError
        # Commands before the operations also come before anything is read ahead.
        if self.state.is_executing:
            setattr(self.state, OVER, True)
        return method(self, *args, **kwargs)

    return call


def _from_answers(run: Run) -> Run:
    change = _ending(run)

    def run_or_answer(self: Host, command: Any, *args: Any, **kwargs: Any) -> Any:
        if not READING.get():
            return change(self, command, *args, **kwargs)
        question = _question(command, kwargs)
        asking = ASKING.get()
        if asking is not None:
            asking.questions.append(question)
            if asking.several:
                return True, CommandOutput([])
            raise AskedError
        if not _may_read_ahead(self.state):
            return run(self, command, *args, **kwargs)
        if ANSWERS not in self.connector_data:
            self.connector_data[ANSWERS] = {}
            self.connector_data[ANSWERS] = _read(self, question[1], run, kwargs)
        answer: Answer | None = self.connector_data[ANSWERS].get(question)
        steady = isinstance(command, remote.Program) and command.steady
        text = answer.take(self.executing_op_hash, steady=steady) if answer else None
        if text is None:
            return run(self, command, *args, **kwargs)
        lines = text.removesuffix("\n").split("\n") if text else []
        return True, CommandOutput([OutputLine("stdout", line) for line in lines])

    return run_or_answer


def _may_read_ahead(state: State) -> bool:
    shown = state.print_fact_output or state.print_fact_input
    return state.is_executing and not shown and not getattr(state, OVER, False)


def _question(command: Any, arguments: dict[str, Any]) -> Question:
    readable: Readable
    if isinstance(command, remote.Program) and not command.has_input:
        readable = ProgramRun(command.program, command.modules, command.arguments, command.joint)
    elif isinstance(command, StringCommand):
        readable = command.get_raw_value()
    else:
        readable = str(command)
    with_these = {key: arguments[key] for key in CONNECTOR_ARGUMENT_KEYS if arguments.get(key)}
    return readable, repr(sorted(with_these.items()))


def _read(host: Host, arguments: str, run: Run, given: dict[str, Any]) -> dict[Question, Answer]:
    """The answers to the questions of the operations that follow, as far as they run with the same
    arguments of the connection. None if there are fewer than two questions."""
    asked = {key: takers for key, takers in _asked(host).items() if key[1] == arguments}
    if len(asked) < 2:
        return {}
    runs = _runs(asked)
    readables = [_joined([question[0] for question in run_]) for run_ in runs]
    program = remote.command("read_several", payload=_payload(readables))
    good, output = run(host, program, **{**given, **program.connector_arguments})
    if not good or not output.stdout_lines:
        return {}
    answers: list[ReadAnswer] = json.loads(output.stdout_lines[-1])
    # What failed is asked again by its own operation, which tells the error.
    told: dict[Question, Answer] = {}
    for questions, answer in zip(runs, answers, strict=True):
        texts = _texts(questions, answer["output"])
        if answer["status"] == 0 and len(texts) == len(questions):
            told |= {
                question: Answer(text, asked[question])
                for question, text in zip(questions, texts, strict=True)
            }
    return told


def _runs(questions: Iterable[Question]) -> list[list[Question]]:
    """The questions that one run answers: several if they are requests to a joint program."""
    runs: dict[Any, list[Question]] = {}
    for question in questions:
        readable = question[0]
        joint = isinstance(readable, ProgramRun) and readable.joint
        runs.setdefault(readable[:2] if joint else question, []).append(question)
    return list(runs.values())


def _joined(readables: list[Readable]) -> Readable:
    """One run for all."""
    first = readables[0]
    if not isinstance(first, ProgramRun):
        return first
    programs = [item for item in readables if isinstance(item, ProgramRun)]
    return first._replace(arguments=tuple(word for item in programs for word in item.arguments))


def _texts(questions: list[Question], output: str) -> list[str]:
    """The answer to each question."""
    return output.splitlines() if len(questions) > 1 else [output]


def _payload(commands: Iterable[Readable]) -> dict[str, Any]:
    """What `groundcrew/remote/read_several.py` takes; each text once."""
    texts: dict[str, str] = {}
    reads: list[dict[str, Any]] = []
    for item in commands:
        if isinstance(item, str):
            reads.append({"command": item})
            continue
        main = remote.module_of(item.program)
        needed = remote.needed_by(item.program, *item.modules)
        texts |= {name: remote.text_of(name) for name in (*needed, main)}
        reads.append({"program": main, "modules": needed, "arguments": item.arguments})
    return {"texts": texts, "reads": reads}


def _asked(host: Host) -> dict[Question, set[str]]:
    """What the host's current operation and those after it read first, and which of them do."""
    asked: dict[Question, set[str]] = {}
    state = host.state
    order = state.get_op_order()
    current = host.executing_op_hash
    begin = order.index(current) if current in order else 0
    asking = Asking()
    with _apart(host):
        token = ASKING.set(asking)
        try:
            for op_hash in order[begin:]:
                if op_hash in state.ops[host]:
                    host.executing_op_hash = op_hash
                    _ask(state.get_op_data_for_host(host, op_hash).command_generator)
                    for question in asking.questions:
                        asked.setdefault(question, set()).add(op_hash)
                    asking.questions.clear()
        finally:
            ASKING.reset(token)
    return asked


def _ask(generator: Callable[[], Iterator[Any]]) -> None:
    function = inspect.getclosurevars(generator).nonlocals.get("func")
    if not reads_first(function):
        return
    try:
        for _ in generator():
            return
    except AskedError:
        pass
    except Exception:
        return


@contextmanager
def _apart(host: Host) -> Iterator[None]:
    """Restores afterwards what pyinfra notes about the host's current operation."""
    noted = {name: getattr(host, name) for name in OPERATION}
    reading = READING.set(False)
    try:
        yield
    finally:
        READING.reset(reading)
        for name, value in noted.items():
            setattr(host, name, value)
