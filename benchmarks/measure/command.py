"""Common parts of the benchmarks' command lines."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import lab
from benchmarks.measure.lab import BenchmarkError
from groundcrew.lab.process import LabError

PROBLEMS = "problems"
"""Key of a result: the reasons why it is invalid or misses its target."""


def parser(prog: str, description: str) -> argparse.ArgumentParser:
    """Returns an argument parser with the options of every benchmark."""
    top = argparse.ArgumentParser(prog=prog, description=description)
    top.add_argument("--suite", default="bookworm", help="Debian of the hosts")
    top.add_argument("--json", type=Path, metavar="PATH", help="write everything measured")
    top.add_argument("--keep", action="store_true", help="leave the hosts running")
    return top


def say(text: str) -> None:
    """Prints progress to stderr."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def run(
    top: argparse.ArgumentParser,
    measure: Callable[[argparse.Namespace], dict[str, Any]],
    *hosts: str,
) -> int:
    """Runs a benchmark on `hosts` and removes them. Returns exit status 0 if it succeeded without
    problems."""
    options = top.parse_args()
    try:
        result = measure(options)
    except (BenchmarkError, LabError) as error:
        print(f"{top.prog}: {error}", file=sys.stderr)
        return 1
    finally:
        if not options.keep:
            lab.remove(*hosts)
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for problem in result[PROBLEMS]:
        print(f"{top.prog}: {problem}", file=sys.stderr)
    return 1 if result[PROBLEMS] else 0
