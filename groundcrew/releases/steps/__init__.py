"""Shell commands and payloads of the release steps: plain text, so that each can be read and
tested."""
