"""One file per command: options in, exit code out; the only room that prints or prompts."""
