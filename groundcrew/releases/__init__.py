"""The release engine: bundle, build, probe, switch, drain, prune."""
