"""What an application is: its manifest, its paths, its server."""
