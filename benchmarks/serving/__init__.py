"""Throughput of an application, deployed and otherwise."""
