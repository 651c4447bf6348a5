"""The command line: one thin Typer verb a module, the only room that knows the terminal and the clock."""
