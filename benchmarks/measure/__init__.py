"""Measures converging runs on lab hosts; see benchmarks/README.md."""
