"""The web side: a Flask application that queues documents for the task executors."""
