"""Where the files of a conversion stand in its target, so that no two can meet."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from jpegprep.datasets.listing import looks_like_image


class Places:
    """The place of each file when it is converted; as it is, it stands at its own path.

    Names stay, but for the ending, .jpg; where that name is claimed by another file, converted or
    as it is, the new file is called by the full name: a.png beside a.jpg becomes a.png.jpg. Of a
    million names only hashes are held, 8 bytes each, and the names that meet.
    """

    def __init__(
        self, paths: Sequence[str], taken: Iterable[str] = (), ending: str | None = "jpg"
    ) -> None:
        """Find the names that meet.

        Args:
            paths: of all files that get a place, with ``/``.
            taken: places of other files, which stay.
            ending: of converted files, without a dot; None: they keep their names.
        """
        self._ending = ending
        folders = {folder.casefold() for path in paths for folder in _folders(path)}
        self._others = [*folders, *(place.casefold() for place in taken)]
        self._hashes = np.fromiter(map(hash, self._claims(paths)), np.int64)
        self._hashes.sort()
        twice = set(self._hashes[1:][self._hashes[1:] == self._hashes[:-1]].tolist())
        # Hashes may be equal by chance; what decides are the names.
        met = Counter(claim for claim in self._claims(paths) if hash(claim) in twice)
        self._longer: dict[str, str] = {}
        self._added: set[str] = set()
        for path in paths if met else ():
            new = self._named(path)
            if new != path and met[new.casefold()] > 1:
                new = f"{path}.{ending}"
                while self.claimed(new):
                    new += f".{ending}"
                self._added.add(new.casefold())
                self._longer[path] = new
        for path in self._longer:
            met.subtract([self._named(path).casefold()])
        self._free = {name for name, count in met.items() if not count}

    def _claims(self, paths: Iterable[str]) -> Iterator[str]:
        """Yield every name that something may stand at, once for each that may."""
        # Some file systems take A.jpg and a.jpg for one name.
        yield from self._others
        for path in paths:
            own, new = path.casefold(), self._named(path).casefold()
            yield own
            if new != own:
                yield new

    def converted(self, path: str) -> str:
        """Return where a file stands when it is converted."""
        return self._longer.get(path) or self._named(path)

    def _named(self, path: str) -> str:
        if self._ending is None:
            return path
        stem = path.rpartition(".")[0] if looks_like_image(path) else path
        return f"{stem}.{self._ending}"

    def free(self, place: str) -> bool:
        """Tell whether no file or folder stands at a place, whatever is kept."""
        return place.casefold() in self._free or not self.claimed(place)

    def claimed(self, place: str) -> bool:
        """Tell whether a file or folder asks for a place."""
        name = place.casefold()
        i = int(np.searchsorted(self._hashes, hash(name)))
        return name in self._added or (i < len(self._hashes) and self._hashes[i] == hash(name))


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
