"""Parses commands with azure-cli's own parser; it runs in the environment of azure-cli.

Reads a list of argument lists from standard input as JSON, and writes for each what is wrong.
"""

import contextlib
import io
import json
import sys

from azure.cli.core import get_default_cli


def what_is_wrong(arguments: list[str]) -> str:
    """The parser's error for `az` with these arguments; empty if it takes them."""
    cli = get_default_cli()
    invoker = cli.invocation_cls(
        cli_ctx=cli,
        parser_cls=cli.parser_cls,
        commands_loader_cls=cli.commands_loader_cls,
        help_cls=cli.help_cls,
    )
    cli.invocation = invoker
    loader = invoker.commands_loader
    loader.load_command_table(arguments)
    command = invoker._rudimentary_get_command(arguments)
    if command not in loader.command_table:
        return f"there is no command '{command or ' '.join(arguments[:3])}'"
    loader.command_name = invoker.data["command_string"] = command
    loader.load_arguments(command)
    loader.command_table = {command: loader.command_table[command]}  # the others cost time
    invoker.parser.load_command_table(loader)
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(errors):
            invoker.parser.parse_args(arguments)
    except SystemExit:
        return errors.getvalue().strip() or "the parser refuses it"
    return ""


if __name__ == "__main__":
    json.dump([what_is_wrong(each) for each in json.load(sys.stdin)], sys.stdout)
