"""The commands of the command line, one file each: `add_parser` adds a parser whose default `run` is the command."""
