"""What an operator does every day, behind the `groundcrew` command: playbooks by their names, and
commands, shells and logs on the hosts."""
