"""Applications in containers: one model of what runs, and the files of orchestrators made of it."""
