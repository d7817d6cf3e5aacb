"""A chat service whose settings are in agentchat/config.yaml, whatever the environment says."""
