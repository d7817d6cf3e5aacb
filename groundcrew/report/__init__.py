"""One report for each run (`--data report=PATH`): a page for people, JSON and JUnit XML."""
