"""The commands, one module each: its name is the word, its first line the help, ``run(arguments)`` the exit code."""
