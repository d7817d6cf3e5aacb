"""The shop of README.md."""
