"""``python -m server.cli``: the command line where the script is not on the path."""

from server.cli import main

main()
