"""Where the files of a conversion stand in its target, so that no two can meet."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from jpegprep.datasets.listing import looks_like_image


class Places:
    """The place of each file as JPEG; as it is, it stands at its own path.

    Names stay, but for the ending .jpg; where that name is claimed by another file, as JPEG or as
    it is, the JPEG is called by the full name: a.png beside a.jpg becomes a.png.jpg. Of a million
    names only hashes are held, 8 bytes each, and the names that meet.
    """

    def __init__(self, paths: Sequence[str], taken: Iterable[str] = ()) -> None:
        """Find the names that meet.

        Args:
            paths: of all files that get a place, with ``/``.
            taken: places of other files, which stay.
        """
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
            jpeg = _with_jpg(path)
            if jpeg != path and met[jpeg.casefold()] > 1:
                jpeg = f"{path}.jpg"
                while self.claimed(jpeg):
                    jpeg += ".jpg"
                self._added.add(jpeg.casefold())
                self._longer[path] = jpeg
        for path in self._longer:
            met.subtract([_with_jpg(path).casefold()])
        self._free = {name for name, count in met.items() if not count}

    def _claims(self, paths: Iterable[str]) -> Iterator[str]:
        """Yield every name that something may stand at, once for each that may."""
        # Some file systems take A.jpg and a.jpg for one name.
        yield from self._others
        for path in paths:
            own, jpeg = path.casefold(), _with_jpg(path).casefold()
            yield own
            if jpeg != own:
                yield jpeg

    def jpeg(self, path: str) -> str:
        """Return where a file stands as JPEG."""
        return self._longer.get(path) or _with_jpg(path)

    def free(self, place: str) -> bool:
        """Tell whether no file or folder stands at a place, whatever is kept."""
        return place.casefold() in self._free or not self.claimed(place)

    def claimed(self, place: str) -> bool:
        """Tell whether a file or folder asks for a place."""
        name = place.casefold()
        i = int(np.searchsorted(self._hashes, hash(name)))
        return name in self._added or (i < len(self._hashes) and self._hashes[i] == hash(name))


def _with_jpg(path: str) -> str:
    stem = path.rpartition(".")[0] if looks_like_image(path) else path
    return f"{stem}.jpg"


def _folders(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
