"""Load tests: a plan from the settings of the inventory, Locust as the client, a verdict."""
