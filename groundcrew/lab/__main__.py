"""Entry point of `python -m groundcrew.lab`, which `bin/lab` runs."""

from __future__ import annotations

import sys

from groundcrew.lab.cli import main

sys.exit(main(sys.argv[1:]))
