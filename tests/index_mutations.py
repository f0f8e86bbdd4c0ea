"""Changes of single values of an index on disk, after which its checksums are made right."""

import contextlib
import sqlite3
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hypothesis import strategies as st

from store.index.summary import checksum_of

__all__ = ["Mutation", "mutate", "mutations"]

COLUMNS = {
    "state": ("version", "generation", "digest"),
    "streams": ("id", "key", "checksum"),
    "minutes": ("id", "row", "summary", "checksum"),
    "entries": ("id", "layout", "ticks"),
    "ids": ("id", "row", "hashes"),
    "line_sums": ("id", "view", "version", "sums"),
    "line_sizes": ("id", "view", "version", "sizes"),
    "line_totals": ("generation", "view", "version", "sums", "checksum"),
    "level_totals": ("id", "version", "totals"),
    "levels": ("id", "version", "codes"),
    "text_filters": ("id", "first", "last", "members", "bits"),
    "snapshot": ("generation", "catalog", "totals", "checksum"),
    "former_minutes": ("id", "row", "summary", "checksum"),
}
EXTREMES = [0, 1, -1, 2, 7, 59, 60, 2**31, 2**32 - 1, 2**40, 2**63 - 1, -(2**63)]
TYPES: list[object] = [
    None,
    "text",
    "\udc80".encode("utf-8", "surrogatepass"),
    b"",
    0,
    -1,
    2**63 - 1,
    1.5,
    b"x" * 1000,
]


class Mutation(NamedTuple):
    """A change of one value of the index: which, how, and by what number."""

    table: str
    column: str
    row: int
    how: str
    place: int
    number: int
    width: int
    has_snapshot: bool


@st.composite
def mutations(draw: st.DrawFn, tables: Sequence[str] = tuple(COLUMNS)) -> Mutation:
    table = draw(st.sampled_from(tables))
    return Mutation(
        table,
        draw(st.sampled_from(COLUMNS[table])),
        draw(st.integers(0, 15)),
        draw(
            st.sampled_from(
                ["flip", "set", "add", "swap", "cut", "grow", "other", "type", "delete", "twin"]
            )
        ),
        draw(st.integers(0, 1 << 12)),
        draw(st.one_of(st.sampled_from(EXTREMES), st.integers(-300, 300))),
        draw(st.sampled_from([1, 2, 4, 8])),
        draw(st.booleans()) or table in ("snapshot", "former_minutes"),
    )


def mutate(path: Path, mutation: Mutation) -> None:
    """Change the index at *path* as *mutation* says, and make its checksums right."""
    table, column = mutation.table, mutation.column
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '')")
    connection.execute("PRAGMA writable_schema = RESET")
    connection.executescript("DROP TRIGGER added; DROP TRIGGER removed")
    if not mutation.has_snapshot:
        connection.execute("DELETE FROM snapshot")
    rows = [each for [each] in connection.execute(f"SELECT rowid FROM {table}")]
    if rows:
        row = rows[mutation.row % len(rows)]
        if mutation.how == "delete":
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))
        elif mutation.how == "twin":
            columns = ", ".join(COLUMNS[table][1:])
            connection.execute(
                f"INSERT OR REPLACE INTO {table} SELECT ?, {columns} FROM {table} WHERE rowid = ?",
                (mutation.number, row),
            )
        else:
            values = [each for [each] in connection.execute(f"SELECT {column} FROM {table}")]
            value = changed(values[mutation.row % len(rows)], values, mutation)
            with contextlib.suppress(sqlite3.IntegrityError):  # there is such a row
                connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (value, row))
        if column not in ("checksum", "digest"):
            mend_checksums(connection)
    connection.close()


def changed(value: object, values: list[object], mutation: Mutation) -> object:
    """Return *value*, one of the *values* of its column, changed as *mutation* says."""
    how, place, number, width = mutation.how, mutation.place, mutation.number, mutation.width
    if how == "type":
        return TYPES[place % len(TYPES)]
    if how == "other":
        return values[place % len(values)]
    if value is None:
        return None
    if isinstance(value, int):
        return max(-(2**63), min(value + number if how == "add" else number, 2**63 - 1))
    if isinstance(value, str):
        text = changed(value.encode(), values, mutation)
        return text.decode("latin-1") if isinstance(text, bytes) else text
    assert isinstance(value, bytes)
    data = bytearray(value)
    if how == "cut":
        return bytes(data[: place % (len(data) + 1)])
    if how == "grow":
        return bytes(data + bytes([number % 256]) * (place % 40))
    if len(data) < width:
        return value
    at, other = (each % (len(data) // width) * width for each in (place, place + 1))
    word = int.from_bytes(data[at : at + width], "little")
    if how == "swap":
        number = int.from_bytes(data[other : other + width], "little")
        data[other : other + width] = word.to_bytes(width, "little")
    elif how == "flip":
        number = word ^ 1 << number % (8 * width)
    elif how == "add":
        number += word
    data[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, "little")
    return bytes(data)


def mend_checksums(connection: sqlite3.Connection) -> None:
    """Make all checksums right."""

    def sum_of(*parts: bytes) -> int:
        return checksum_of(*parts) if all(isinstance(each, bytes) for each in parts) else 0

    def sealed(data: bytes, header_size: int) -> bytes:
        if not isinstance(data, bytes):
            return data
        return zlib.crc32(data[header_size:]).to_bytes(4, "little") + data[4:]

    def owned(members: bytes, bits: bytes) -> bytes:
        if not isinstance(members, bytes) or not isinstance(bits, bytes):
            return members
        return sealed(members[:4] + zlib.crc32(bits).to_bytes(4, "little") + members[8:], 4)

    def filtering(bits: bytes) -> bytes:
        if not isinstance(bits, bytes):
            return bits
        return bits[:4] + zlib.crc32(bits[8:]).to_bytes(4, "little") + bits[8:]

    connection.create_function("owned", 2, owned)
    connection.create_function("filtering", 1, filtering)
    connection.create_function("sum_of", -1, sum_of)
    connection.create_function("sealed", 2, sealed)
    for statement in (
        "UPDATE streams SET checksum = sum_of(key)",
        "UPDATE state SET digest = (SELECT sum((id + 1) * checksum % 4294967291) FROM streams)",
        "UPDATE minutes SET checksum = sum_of(row, summary)",
        "UPDATE former_minutes SET checksum = sum_of(row, summary) WHERE row IS NOT NULL",
        "UPDATE entries SET layout = sealed(layout, 4), ticks = sealed(ticks, 4)",
        "UPDATE ids SET hashes = sealed(hashes, 8)",
        "UPDATE line_sums SET sums = sealed(sums, 4)",
        "UPDATE line_sizes SET sizes = sealed(sizes, 4)",
        "UPDATE level_totals SET totals = sealed(totals, 4)",
        "UPDATE levels SET codes = sealed(codes, 4)",
        "UPDATE text_filters SET bits = filtering(bits)",
        "UPDATE text_filters SET members = owned(members, bits)",
        "UPDATE line_totals SET checksum = sum_of(sums)",
        "UPDATE snapshot SET checksum = sum_of(catalog, totals)",
    ):
        connection.execute(statement)
