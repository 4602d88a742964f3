"""The command line: `procession`, one file per command."""
