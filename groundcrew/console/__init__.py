"""Output of a run on the terminal: errors, what it waits for, and a report if it fails."""
