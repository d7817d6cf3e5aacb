"""How fast an application answers, deployed and otherwise."""
