"""The examples of README.md and docs/, as they stand there, for the tests that run them."""
