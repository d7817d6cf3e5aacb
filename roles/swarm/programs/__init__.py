"""Programs that run in the containers, as the application's user. Standard library only."""
