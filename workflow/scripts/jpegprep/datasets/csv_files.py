"""CSVs of images as people have them: which column says what, how the file is written, which files.

A CSV names a file a row and gives it a class, perhaps a split and a group. Tools write them with
commas, semicolons, tabs or bars, in UTF-8, UTF-16 or Latin-1, under many names of columns, and with
paths of many kinds: from the CSV's folder, absolute, with backslashes, or as a mere name or number
of a file that lies somewhere below the folder. What is not said is found, where it is one thing
only, and told; else it is refused.
"""

import codecs
import csv
import io
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, NamedTuple

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.datasets.columns import Columns, choose, told
from jpegprep.datasets.listing import (
    PERMIT,
    SPLIT_NAMES,
    File,
    file_at,
    looks_like_image,
    text_of,
    walk,
)

_DELIMITERS = ",;\t|"
_LOOKED_AT = 30  # rows from which the delimiter is found


class CsvRow(NamedTuple):
    """A row of a CSV of images.

    Attributes:
        line: its number of line.
        values: all its values, as they stand there.
        file: the file that it names.
        name: as what it names it: the end of its path, or all of it.
        stem: whether the name lacks the file's ending.
        backslashes: whether these separate the folders.
    """

    line: int
    values: list[str]
    file: File
    name: str
    stem: bool = False
    backslashes: bool = False


class _Dialect(csv.excel):
    """How a CSV is written: what separates values and lines, and whether all values are quoted."""

    strict = True

    def __init__(self, text: str) -> None:
        self.delimiter = _delimiter(text)
        self.lineterminator = _line_end(text)
        first = text.partition(self.lineterminator)[0]
        quoted = io.StringIO(newline="")
        csv.writer(
            quoted, delimiter=self.delimiter, quoting=csv.QUOTE_ALL, lineterminator=""
        ).writerow(next(csv.reader([first], delimiter=self.delimiter), []))
        if quoted.getvalue() == first:
            self.quoting = csv.QUOTE_ALL
        super().__init__()


@dataclass(frozen=True)
class Table:
    """A CSV of images.

    Attributes:
        columns: its header, as it stands there.
        rows: in their order.
        places: which column says what: of ``path`` and ``label``, perhaps ``split`` and ``group``.
        told: what was found, in words.
        encoding: in which it is written, by Python's name.
        mark: the byte order mark with which it begins, or nothing.
        dialect: how its values are separated.
    """

    columns: list[str]
    rows: list[CsvRow]
    places: Mapping[str, int]
    told: str
    encoding: str
    mark: bytes
    dialect: Any

    @property
    def files(self) -> list[File]:
        """The files of the rows."""
        return [row.file for row in self.rows]


def read_csv(path: str | Path, columns: Columns | None = None) -> Table:
    """Read a CSV of images.

    Args:
        path: the CSV.
        columns: as of `columns.choose`: what the user says of its columns.

    Raises:
        UserError: at the first mistake, with its line.
    """
    path = Path(path)
    text, encoding, mark = _text(path)
    dialect = _Dialect(text)
    header, lines = _parsed(path, text, dialect)
    places = choose(path, list(map(text_of, header)), columns or {}, needs=("path", "label"))
    places = _without_other_splits(path, places, columns or {}, header, lines)
    finder, first = _Finder(path.parent), dict[str, int]()
    rows = []
    for line, values in lines:
        cells = {name: values[i] if i < len(values) else "" for name, i in places.items()}
        where = f"{path}: line {line}"
        if not (label := text_of(cells["label"]).strip()):
            raise UserError(f"{where}: the label is empty; give each image one")
        file, name, stem, backslashes = finder.find(cells["path"], where)
        if file.path in first:
            raise UserError(
                f"{where}: {file.path!r} stands in line {first[file.path]} already; name each "
                "image once"
            )
        first[file.path] = line
        file = file._replace(
            class_name=label,
            split=SPLIT_NAMES[_split(cells["split"])] if "split" in places else None,
            group=text_of(cells.get("group", "")).strip() or None,
        )
        rows.append(CsvRow(line, values, file, name, stem, backslashes))
    names = {name: text_of(header[i]).strip() for name, i in places.items()}
    return Table(header, rows, places, told(names), encoding, mark, dialect)


def csv_columns(path: str | Path) -> list[str]:
    """Return the names of a CSV's columns.

    Raises:
        UserError: where it cannot be read.
    """
    text = _text(Path(path))[0]
    return [text_of(name).strip() for name in _parsed(Path(path), text, _Dialect(text))[0]]


def write_csv(target: str | Path, table: Table, places: Mapping[str, str]) -> None:
    """Write a CSV again as it was, with other paths; rows whose file has no place are left out.

    What was a part of a path, or a name without ending, is one again, where it still names a file.

    Args:
        target: the file to write.
        table: the CSV.
        places: where the file of each path is now, from the new CSV's folder.
    """
    names = Counter(_last(place) for place in places.values())
    stems = Counter(_last(_stem(place)) for place in places.values())
    column = table.places["path"]
    text = io.StringIO(newline="")
    writer = csv.writer(text, dialect=table.dialect)
    writer.writerow(table.columns)
    for row in table.rows:
        if (place := places.get(row.file.path)) is None:
            continue
        before, new = row.file.path, place
        if row.stem and stems[_last(_stem(place))] == 1:
            before, new = _stem(before), _stem(place)
        above = before.removesuffix(row.name)
        if above != before and new.startswith(above) and names[_last(place)] == 1:
            new = new[len(above) :]
        values = [*row.values]
        values[column] = new.replace("/", "\\") if row.backslashes else new
        writer.writerow(values)
    with replacing(target) as part:
        part.write_bytes(table.mark + text.getvalue().encode(table.encoding, "surrogateescape"))


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _stem(path: str) -> str:
    return path[: path.rfind(".")] if looks_like_image(_last(path)) else path


def _text(path: Path) -> tuple[str, str, bytes]:
    """Return what stands in a CSV, its encoding, and the byte order mark before it.

    What is no UTF-8 has surrogate escapes, so that `text_of` reads it as Latin-1, value by value,
    and a file whose name is in the same encoding is found.
    """
    try:
        data = path.read_bytes()
    except PermissionError:
        raise UserError(f"{path}: no permission to read it; {PERMIT}") from None
    marks = {codecs.BOM_UTF8: "utf-8"}
    marks |= {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}
    mark = next((mark for mark in marks if data.startswith(mark)), b"")
    encoding = marks.get(mark, "utf-8")
    if not mark and len(head := data[:400]) > 3:  # UTF-16 without a mark: every other byte is 0
        even, odd = head[0::2].count(0), head[1::2].count(0)
        if max(even, odd) > len(head) / 4 and not min(even, odd):
            encoding = "utf-16-le" if odd else "utf-16-be"
    errors = "surrogateescape" if encoding == "utf-8" else "strict"
    try:
        return data[len(mark) :].decode(encoding, errors), encoding, mark
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: begins as {encoding} and is none ({error.reason}); save it as UTF-8"
        ) from None


def _delimiter(text: str) -> str:
    """Return what separates the values: where as many of the first rows as can be are as wide.

    `csv.Sniffer` was tried: of 3,000 CSVs with paths and labels that hold other delimiters, quotes
    and blanks it missed 139, and this none.
    """
    best = (0.0, 0, 0, _DELIMITERS[0])
    for i, delimiter in enumerate(_DELIMITERS):
        widths = []
        try:
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                widths += [len(row)] if row else []
                if len(widths) == _LOOKED_AT:
                    break
        except csv.Error:
            pass
        if widths and widths[0] > 1:
            alike = widths.count(widths[0]) / len(widths)
            best = max(best, (alike, widths[0], -i, delimiter))
    return best[3]


def _line_end(text: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if end in text), "\n")


def _parsed(path: Path, text: str, dialect: Any) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header of a CSV and its rows, each with the number of its last line."""
    reader = csv.reader(io.StringIO(text, newline=""), dialect=dialect)
    try:
        columns = next(reader, [])
        lines = [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: no CSV ({error}); mend it") from None
    return columns, lines


def _split(value: str) -> str:
    return value.strip().lower()


def _without_other_splits(
    path: Path,
    places: dict[str, int],
    columns: Columns,
    header: list[str],
    lines: list[tuple[int, list[str]]],
) -> dict[str, int]:
    """Leave a column out that may have been a split, and says something else in every row.

    Folds are called 0 to 4, and sets 2019 and 2020. Where it is called split, or the user says that
    it is one, each row has one.

    Raises:
        UserError: where one row says no split.
    """
    if "split" not in places:
        return places
    place = places["split"]
    values = [(line, row[place] if place < len(row) else "") for line, row in lines]
    wrong = [(line, value) for line, value in values if _split(value) not in SPLIT_NAMES]
    surely = columns.get("split") or text_of(header[place]).strip().lower() == "split"
    if not surely and len(wrong) == len(values):
        return {name: i for name, i in places.items() if name != "split"}
    for line, value in wrong:
        raise UserError(f"{path}: line {line}: split is {value!r}; it is train, val or test")
    return places


class _Finder:
    """Finds the files that a CSV names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reached: dict[str, bool] = {}  # whether a folder below is reached without links
        self._below: dict[str, list[str]] | None = None

    def find(self, value: str, where: str) -> tuple[File, str, bool, bool]:
        """Return the file that a value names, and how it does: the last fields of a `CsvRow`.

        Args:
            value: what stands in the column of paths.
            where: the CSV and the line, for messages.

        Raises:
            UserError: where there is none, or more than one.
        """
        if not value.strip() or ".." in PurePosixPath(value.replace("\\", "/")).parts:
            raise UserError(
                f"{where}: path is {value!r}; a path is absolute, or relative to the CSV's folder "
                "and stays inside"
            )
        for name, backslashes in _spellings(value):
            if (status := self._status(name)) is not None:
                file = self._file(name, status, value, where)
                return file, str(PurePosixPath(name)), False, backslashes
        for name, backslashes in _spellings(value):
            if PurePosixPath(name).is_absolute():
                continue
            found, stem = self._named(name)
            if len(found) > 1:
                raise UserError(
                    f"{where}: path is {value!r}, and {found[0]!r} is called so as well as "
                    f"{found[1]!r}; write the whole path"
                )
            if found and (status := self._status(found[0])) is not None:
                file = self._file(found[0], status, value, where)
                return file, str(PurePosixPath(name)), stem, backslashes
        windows = PureWindowsPath(value).drive and "a path of another machine; "
        raise UserError(
            f"{where}: path is {value!r}, {windows}and {str(self._folder)!r} holds no such file; "
            "correct it, or leave the line out"
        )

    def _status(self, name: str) -> Any:
        full = self._folder / name
        try:
            return full.lstat()
        except PermissionError:
            raise UserError(f"{full}: no permission to read it; {PERMIT}") from None
        except (OSError, ValueError):  # ValueError: a zero byte
            return None

    def _file(self, name: str, status: Any, value: str, where: str) -> File:
        named = PurePosixPath(name)
        if stat.S_ISDIR(status.st_mode):
            raise UserError(f"{where}: path is {value!r}, which is a folder; name an image file")
        if named.is_absolute():
            # Below the CSV's folder it is the file that a relative path names.
            folders = (self._folder, self._folder.resolve())
            folder = next((folder for folder in folders if named.is_relative_to(folder)), None)
            if folder is None:
                return file_at(name, str(named), status)
            named = named.relative_to(folder)
        parent = str(named.parent)
        if parent not in self._reached:
            full = self._folder / parent
            self._reached[parent] = full.resolve() == self._folder.resolve() / parent
        if not self._reached[parent]:
            return File(str(named), 0, status.st_mtime_ns, "link")
        return file_at(str(self._folder / named), str(named), status)

    def _named(self, name: str) -> tuple[list[str], bool]:
        """Return the files below the folder that end with a path, or do so but for their ending.

        The second is whether they lack the ending.
        """
        if self._below is None:
            self._below = {}
            for file in walk(self._folder)[0]:
                for key in _keys(file.path):
                    self._below.setdefault(key, []).append(file.path)
        named = str(PurePosixPath(name))
        last = named.rpartition("/")[2]
        if ends := [p for p in self._below.get(last, []) if f"/{p}".endswith(f"/{named}")]:
            return ends, False
        stems = [
            p
            for p in self._below.get(f"{last}.", [])
            if f"/{p}".rpartition(".")[0].endswith(f"/{named}")
        ]
        return stems, True


def _keys(path: str) -> Iterator[str]:
    """Yield under what a file is found: its name, and of an image its name without the ending."""
    name = path.rpartition("/")[2]
    yield name
    if looks_like_image(name):
        yield name[: name.rfind(".") + 1]


def _spellings(value: str) -> Iterator[tuple[str, bool]]:
    """Yield how a file may be called that a CSV names, the likeliest first.

    As it stands; read as Latin-1, where it is no UTF-8; with é as one character or two; and each of
    them with slashes for backslashes: the second value.
    """
    text = text_of(value)
    forms = (value, text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text))
    names = [name for form in forms for name in (form, form.strip())]
    for name in dict.fromkeys(names):
        yield name, False
    if "\\" in value:
        for name in dict.fromkeys(names):
            yield name.replace("\\", "/"), True
