"""A Typer command that does nothing: what any command of this kind costs."""

import typer

app = typer.Typer(add_completion=False)


@app.command()
def nothing() -> None:
    """Do nothing."""


if __name__ == "__main__":
    app()
