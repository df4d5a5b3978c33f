"""The page of the docs that holds the plans: made by `prismcube bench plans`, checked by a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prismcube.catalogue.dialects import POSTGRESQL, SQLITE
from server.bench.plans import Explained

TITLES = {SQLITE: "SQLite", POSTGRESQL: "PostgreSQL"}

HEAD = """# Query plans

How the databases find what the hot queries ask for, with 10^5 datasets of as many records in the catalogue, 10^4 of
them on one place. No large table is read from end to end; `tests/integration/catalogue/test_query_plans.py` holds that,
and that the indexes are those of this page. It is made by

```
prismcube bench plans --url postgresql://me@localhost/bench --output docs/reference/query-plans.md
```

which runs each query through its repository and has every statement explained with its values and settings. SQLite is
asked without statistics (`ANALYZE`), as catalogues have none. PostgreSQL keeps its own, of 30,000 rows a table that it
draws by lot, and where two plans cost nearly the same, it takes now one and now the other: records by a tag that few
have may also be read with `ix_record_time_id`. For this page it has looked at every row, so that the plans are always
these.

A page of records by tag begins with a look whether few or many have it, which ends with the 5,001st. Where PostgreSQL
knows that very many do, it reads rows as they lie until then (`Limit`, `Seq Scan`): 2.5 ms, by the index 5.5.

## Indexes used

A table's name alone stands for its primary key on SQLite, or for an R*Tree.

"""


def page(explained: Mapping[str, Sequence[Explained]]) -> str:
    """The page, with a table of the indexes and the plans of each query. The keys are the dialects' names."""
    lines = [HEAD + "\n".join(_header(explained)), *rows(explained)]
    names = [one.name for one in next(iter(explained.values()))]
    for name in names:
        lines.append(f"\n## {name[0].upper()}{name[1:]}")
        for database, all_of_them in explained.items():
            [one] = [one for one in all_of_them if one.name == name]
            lines.append(f"\n{TITLES[database]}:")
            lines += [f"\n```text\n{plan}\n```" for plan in one.plans]
    return "\n".join(lines) + "\n"


def rows(explained: Mapping[str, Sequence[Explained]]) -> list[str]:
    """The rows of the table of indexes: what must not change without notice."""
    return [
        "| " + " | ".join([some[0].name, *(listed(one.indexes) for one in some)]) + " |"
        for some in zip(*explained.values(), strict=True)
    ]


def _header(explained: Mapping[str, Sequence[Explained]]) -> list[str]:
    titles = ["query", *(TITLES[database] for database in explained)]
    return ["| " + " | ".join(titles) + " |", "| " + " | ".join("---" for _ in titles) + " |"]


def listed(indexes: Sequence[str]) -> str:
    """Indexes as the table tells them."""
    return ", ".join(f"`{name}`" for name in indexes)
