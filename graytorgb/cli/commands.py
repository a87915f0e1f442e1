"""The group of all commands. The file of a command is imported only when it is called."""

import click

from .. import __version__
from ..extras import require
from .streams import Program

# A command NAME is the function NAME_command in the file NAME.py of this folder.
COMMANDS = ("adapt", "audit", "backends", "bench", "convert", "inspect")


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
@click.version_option(__version__)
def main() -> None:
    """Grayscale images for networks pretrained on RGB."""
