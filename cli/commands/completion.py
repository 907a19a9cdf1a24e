"""Print the script that completes npr's commands in a shell."""

from __future__ import annotations

import click


@click.command(epilog='bash and zsh: eval "$(npr completion bash)".  fish: npr completion fish | source.')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes npr's commands, options, models, tasks and runs in SHELL."""
    from click.shell_completion import get_completion_class

    writer = get_completion_class(shell)
    if writer is None:
        raise click.UsageError(f"click has no completion for '{shell}'.")
    # `source` would start bash to look at its version; the script can be printed without one installed.
    script = writer(ctx.find_root().command, {}, "npr", "_NPR_COMPLETE")
    click.echo(script.source_template % script.source_vars())
