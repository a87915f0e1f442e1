"""The group of all commands. The file of a command is imported only when it is called."""

import click

from ..extras import require
from .streams import Program

# A command NAME is the function NAME_command in the file NAME.py of this folder.
COMMANDS = ("adapt", "audit", "backends", "bench", "convert", "inspect")


def _print_versions(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    """Print the versions for a bug report, and end."""
    if value and not ctx.resilient_parsing:
        click.echo(require("graytorgb.measure.versions").describe_versions())
        ctx.exit()


class CommandGroup(Program, click.Group):
    """The group of the commands in ``COMMANDS``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return None if there is none of this name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(require(f"{__package__}.{cmd_name}"), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_versions,
    help="Print the versions of graytorgb and its libraries, for a bug report.",
)  # fmt: skip
def main() -> None:
    """Grayscale images for networks pretrained on RGB."""
