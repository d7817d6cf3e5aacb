"""Benchmarks of runs and releases on lab hosts; see benchmarks/README.md."""
