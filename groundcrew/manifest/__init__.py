"""Model of an application: its manifest, its paths, its server."""
