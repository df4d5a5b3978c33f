"""Which styles a collection has, and what each of them draws.

A collection is drawn in its default style (`default`), in every style of the catalogue whose fields it has, and in
one style for each field with a range, which has the field's name: through the palette of the field's variable, or
in shades of grey.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from prismcube.errors import InvalidInput, NotFound
from prismcube.model.collection import Collection, Field, StoredField
from prismcube.model.palette import GREY, Palette
from prismcube.model.style import Channel, Style, StyleKind
from prismcube.render.picture import style_for
from providers.ogc.answer import Context

DEFAULT = "default"
PAGE = 200


@dataclass(frozen=True)
class Look:
    """A style with all that drawing needs."""

    style: Style
    palette: Palette = GREY


def looks_of(context: Context, collection: Collection) -> Iterator[Look]:
    """Every style of a collection, the default one first; names are distinct."""
    seen = set()
    for look in _all(context, collection):
        if look.style.name not in seen:
            seen.add(look.style.name)
            yield look


def look_named(context: Context, collection: Collection, name: str) -> Look:
    """The style of that name. Raises NotFound."""
    if name == DEFAULT:
        look = default_look(context, collection)
        if look is None:
            raise NotFound("style", name)
        return look
    try:
        style = context.catalogue.styles.get(name).value
    except NotFound:
        style = None
    if style is not None and _fits(style, collection):
        return Look(style, _palette(context, style.palette))
    for field in collection.fields:
        if field.name == name and (look := _field_look(context, field)):
            return look
    raise NotFound("style", name)


def default_look(context: Context, collection: Collection) -> Look | None:
    """The collection's own style, else that of its first field with a range; None when no field has one."""
    if collection.style:
        return Look(Style.of(DEFAULT, collection.style))
    looks = (_field_look(context, field, name=DEFAULT) for field in collection.fields)
    return next(filter(None, looks), None)


def look_of_fields(context: Context, collection: Collection, fields: tuple[str, ...] | None) -> Look:
    """The default style, or the plain one of `fields`: one through its palette, three as red, green and blue.

    Raises InvalidInput("properties", ...).
    """
    if fields is not None:
        plain = Style.of(DEFAULT, style_for(collection, fields))
        return Look(plain, _palette_of(context, collection.field(fields[0])) if len(fields) == 1 else GREY)
    look = default_look(context, collection)
    if look is None:
        raise InvalidInput("properties", f"no field of {collection.name} has a range to stretch over")
    return look


def _all(context: Context, collection: Collection) -> Iterator[Look]:
    default = default_look(context, collection)
    if default:
        yield default
    after: tuple[str] | None = None
    while page := context.catalogue.styles.list(after=after, limit=PAGE):
        for stored in page:
            if _fits(stored.value, collection):
                yield Look(stored.value, _palette(context, stored.value.palette))
        after = (page[-1].name,)
    for field in collection.fields:
        if look := _field_look(context, field):
            yield look


def _fits(style: Style, collection: Collection) -> bool:
    return set(style.fields) <= {field.name for field in collection.fields}


def _field_look(context: Context, field: Field, *, name: str | None = None) -> Look | None:
    low, high = field.format.minimum, field.format.maximum
    if low is None or high is None or not low < high:
        return None
    palette = _palette_of(context, field)
    style = Style(
        name=name or field.name,
        kind=StyleKind.PALETTE,
        channels=(Channel(field=field.name, low=low, high=high),),
        palette=palette.name,
        title=field.description or field.name,
    )
    return Look(style, palette)


def _palette_of(context: Context, field: Field) -> Palette:
    """That of the field's variable; grey for computed fields, which have none."""
    if not isinstance(field, StoredField):
        return GREY
    instance = context.catalogue.instances.get_by_id(field.instance_id)
    return _palette(context, context.catalogue.variables.get_by_id(instance.variable_id).palette)


def _palette(context: Context, name: str) -> Palette:
    return context.catalogue.palettes.get(name).value if name and name != GREY.name else GREY
