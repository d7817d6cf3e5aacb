"""Works out what a module's top level says, without running it.

The statements are followed as Python would follow them with an empty environment; what only a run
could tell is `UNKNOWN`. Nothing outside the project's own files is ever looked at."""
