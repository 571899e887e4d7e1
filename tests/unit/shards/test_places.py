"""Places: no two files meet, whatever is kept; a million names take little memory."""

import itertools
import random
import tracemalloc

from jpegprep.shards.places import Places


def stand(paths: list[str], taken: tuple[str, ...] = ()) -> list[str]:
    """Return every place at which one of the files may stand, in lower case."""
    places = Places(paths, taken)
    return [
        place for path in paths for place in {path.casefold(), places.converted(path).casefold()}
    ]


def test_names_change_only_where_they_would_meet() -> None:
    """Known cases, as the README tells them."""
    places = Places(["a.png", "b.png", "b.jpg", "c.gif", "c.webp", "D.png", "d.JPG", "text"])
    expected = ["a.jpg", "b.png.jpg", "b.jpg", "c.gif.jpg", "c.webp.jpg", "D.png.jpg"]
    expected += ["d.JPG.jpg"]
    names = ["a.png", "b.png", "b.jpg", "c.gif", "c.webp", "D.png", "d.JPG"]
    assert [places.converted(name) for name in names] == expected
    assert places.converted("text") == "text.jpg"
    assert not places.free("b.jpg") and not places.free("C.GIF.jpg")
    assert places.free("c.jpg") and places.free("e.jpg")


def test_no_two_files_ever_meet() -> None:
    """Of random names that are much alike, in folders that are called as files are."""
    rng = random.Random(0)
    names = ["a", "A", "a.jpg", "a.png", "a.png.jpg", "a.jpg.jpg", "A.JPG", "a.webp"]
    every = [f"{x}/{y}" for x, y in itertools.product(names, names)] + names
    for _ in range(300):
        chosen = rng.sample(every, rng.randint(2, 20))
        # A file is no folder, and what differs in A and a alone is one file on some systems.
        folded = {path.casefold(): path for path in chosen}
        paths = [folded[p] for p in folded if not any(q.startswith(f"{p}/") for q in folded)]
        found = stand(paths)
        folders = {f.rpartition("/")[0].casefold() for f in paths if "/" in f}
        assert len(set(found)) == len(found), paths
        assert not folders & set(found), paths


def test_the_places_of_others_are_respected() -> None:
    """A file whose source has gone keeps its name."""
    assert Places(["a.webp"], taken=["a.jpg"]).converted("a.webp") == "a.webp.jpg"
    assert Places(["a.webp"], taken=["A.jpg"]).converted("a.webp") == "a.webp.jpg"


def test_many_names_take_little_memory() -> None:
    """8 bytes a name that is asked for; a dictionary of their texts would take ten times that."""
    paths = [f"class{i % 100}/{i:07}.png" for i in range(50_000)]
    tracemalloc.start()
    places = Places(paths)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.2e6 and peak < 3e6
    assert places.converted(paths[0]) == "class0/0000000.jpg"
