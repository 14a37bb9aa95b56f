"""A vLLM server in an environment of its own: its lock files and how it is started."""
