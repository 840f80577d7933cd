"""A command whose help lists its options by the job that they belong to (`rich_help_panel`), in plain text."""

from typing import Any

from typer.core import TyperCommand

__all__ = ["SectionedCommand"]


class SectionedCommand(TyperCommand):
    """Writes each group of options under a heading of its own; typer does so only in boxes."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options section by section, in the order in which they are declared."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                plain = "Arguments" if param.param_type_name == "argument" else "Options"
                sections.setdefault(getattr(param, "rich_help_panel", None) or plain, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
