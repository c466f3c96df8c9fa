"""The command line: thin commands, each calls one room."""

import click


@click.group()
def main() -> None:
    """Keep a village office online."""
