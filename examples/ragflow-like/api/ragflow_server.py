"""The old way of starting, for development: `python -m api.ragflow_server --debug`."""

from __future__ import annotations

import argparse
import os

from api.initialise import main as initialise
from api.wsgi import app


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--debug", action="store_true", help="reload and show errors in the page")
    arguments = parser.parse_args()
    initialise()
    app.run(port=int(os.environ.get("HOST_PORT", "9380")), debug=arguments.debug)


if __name__ == "__main__":
    main()
