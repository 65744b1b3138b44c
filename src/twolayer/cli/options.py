"""Options of the command line, made from the fields of settings; settings named in a sentence, spelled as options."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import click

from twolayer.errors import SettingError
from twolayer.settings import Kind, choice, default_of, option_of, setting_fields

DATA_HELP = "a name or a path, as for train"
_Decorated = TypeVar("_Decorated", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
part_option = click.option(
    "--part", type=click.Choice(["train", "test"]), help="Which samples to use.  [default: test, if there are any]"
)


class SettingType(click.ParamType):  # type: ignore[type-arg]  # older click has no arguments
    """The values of a setting: they are checked, and refused, as the library does."""

    def __init__(self, setting: str, kind: Kind) -> None:
        words = tuple(word for word in kind.words if word is not None)  # leaving the option out says that
        self.setting, self.kind = setting, choice(kind.choices) if kind.choices else replace(kind, words=words)
        self.name = "|".join(["number" if "number" in kind.wanted else "text", *words])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:  # noqa: ARG002
        """Return the choices where there are any."""
        return f"[{'|'.join(self.kind.choices)}]" if self.kind.choices else self.name.upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value in its plain form, or refuse it."""
        try:
            return self.kind.check(self.setting, value)
        except SettingError as error:
            name = param.opts[0] if param else self.setting
            raise click.UsageError(str(error).replace(f"`{self.setting}`", name), ctx) from None


class SettingOption(click.Option):
    """An option of a setting, in a section of its own in the help."""

    def __init__(self, *names: Any, section: str, **more: Any) -> None:
        self.section = section
        super().__init__(*names, **more)


def options_of(settings: type, section: str) -> Callable[[_Decorated], _Decorated]:
    """Return a decorator that gives a command an option for each field of settings but `data`, its argument."""

    def add(command: _Decorated) -> _Decorated:
        for each in reversed(setting_fields(settings)):
            command = command if each.name == "data" else add_option(settings, each.name, section)(command)
        return command

    return add


def taken(settings: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that are of fields of settings."""
    return {each.name: values[each.name] for each in setting_fields(settings) if each.name in values}


def spelling(parameter: click.Parameter) -> str:
    """Return what a person types, or reads in the usage, of a parameter: --hidden, DATA."""
    return parameter.opts[0] if isinstance(parameter, click.Option) else parameter.human_readable_name


def spelled(text: str, command: click.Command | None) -> str:
    """Return a sentence in which settings, named in backticks, are spelled as the options of a command."""
    names = {each.name: spelling(each) for each in command.params} if command else {}
    return re.sub(r"`(\w+)`", lambda found: names.get(found[1], found[1]), text)


def split_names(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names that options hold, each one or several with commas; a name with a comma stands in quotes."""
    import csv

    return tuple(name for line in csv.reader(values, skipinitialspace=True) for name in line)


def add_option(settings: type, name: str, section: str = "Options") -> Callable[[_Decorated], _Decorated]:
    """Return a decorator that gives a command the option of one setting."""
    each = next(each for each in setting_fields(settings) if each.name == name)
    default, summary, shown = default_of(each), each.metadata["summary"], each.metadata["shown"]
    more: dict[str, Any] = {"default": default, "show_default": not shown and default not in (None, ())}
    option = option_of(each)
    if isinstance(default, bool):
        option = f"{option}/--no-{option[2:]}"
    elif isinstance(default, tuple):
        summary = f"{summary} Separate several by commas."
        more |= {"multiple": True, "callback": lambda _context, _option, values: split_names(values)}
    else:
        more["type"] = SettingType(name, each.metadata["kind"])
    summary = f"{summary}  [default: {shown}]" if shown else summary
    return click.option(option, name, cls=SettingOption, section=section, help=summary, **more)


class Command(click.Command):
    """A command whose help has its options in sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record and isinstance(each, click.Option):
                sections.setdefault(getattr(each, "section", "Options"), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)
