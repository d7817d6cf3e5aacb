"""What a run tells on the terminal: its errors, what it waits for, and a report where it failed."""
