"""Vectors in a plane: what is near stays near, whatever the vectors are like, and the same ones give the same bytes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from vragd.search.picture.asked import Layout
from vragd.search.picture.layout import among, fitted, laid_out, nearest, unit
from vragd.search.picture.worker import answer
from vragd.system.child import HEAD, Child, ChildEnded, serve_on


def heaps(n: int, dimension: int = 24) -> np.ndarray:
    """Vectors around thirty directions."""
    rng = np.random.default_rng(1)
    made: np.ndarray = rng.normal(size=(30, dimension))[np.arange(n) % 30] + 0.4 * rng.normal(size=(n, dimension))
    return made


@pytest.mark.parametrize(
    ("n", "dimension"), [(0, 3), (1, 24), (2, 1), (2, 24), (3, 2), (4, 3), (5, 24), (16, 1), (17, 3), (90, 24)]
)
def test_every_vector_has_a_point_within_bounds_and_the_same_ones_the_same_bytes(n: int, dimension: int) -> None:
    vectors = heaps(n, dimension)
    points = laid_out(vectors)
    assert (points.shape, points.dtype) == ((n, 2), np.float32)
    assert np.isfinite(points).all()
    assert np.abs(points).max(initial=0.0) <= 1.0
    assert points.tobytes() == laid_out(vectors.copy()).tobytes()


def test_vectors_that_are_none_and_copies_have_points_of_their_own() -> None:
    vectors = heaps(40)
    vectors[3], vectors[4, 0], vectors[5, 1] = 0.0, np.nan, np.inf
    vectors[10:20] = vectors[9]
    points = laid_out(vectors)
    assert np.isfinite(points).all()
    assert len(np.unique(points, axis=0)) == 40
    spread = np.abs(points[9:20] - points[9]).max()
    assert 0 < spread < 0.05
    assert len(np.unique(laid_out(np.ones((6, 4))), axis=0)) == 6


def test_neighbours_stay_neighbours_twice_as_often_as_by_two_main_components() -> None:
    rows = unit(heaps(300))
    wanted = nearest(rows, 10)[0].tolist()

    def kept(points: np.ndarray) -> float:
        far = ((points[:, None] - points[None]) ** 2).sum(axis=2)
        np.fill_diagonal(far, np.inf)
        found = np.argsort(far, axis=1)[:, :10]
        return float(np.mean([len({*one} & {*other}) for one, other in zip(wanted, found.tolist(), strict=True)])) / 10

    components = np.linalg.svd(rows - rows.mean(axis=0))[0][:, :2]
    assert kept(laid_out(rows)) >= 2 * kept(components)


def test_the_nearest_are_exact_and_in_order() -> None:
    rows = unit(heaps(60))
    found, cosines = nearest(rows, 5)
    every = rows @ rows.T
    np.fill_diagonal(every, -2)
    assert found.tolist() == np.argsort(-every, axis=1, kind="stable")[:, :5].tolist()
    assert np.allclose(cosines, np.sort(every, axis=1)[:, ::-1][:, :5])


def test_what_is_more_than_can_be_laid_out_comes_among_its_neighbours() -> None:
    rows = unit(heaps(50))
    points = among(rows[40:], rows[:40], np.tile(np.array([[0.5, -0.5]], dtype=np.float32), (40, 1)))
    assert points.tolist() == [[0.5, -0.5]] * 10
    assert among(rows[:2], rows[:0], np.zeros((0, 2))).tolist() == [[0.0, 0.0]] * 2


def test_a_layout_is_turned_onto_the_one_before() -> None:
    points = laid_out(heaps(50))
    turned = 0.5 * points @ np.array([[0.0, 1.0], [1.0, 0.0]]) + 0.1  # mirrored, shrunk and moved
    old = turned.astype(np.float32)
    old[::3] = np.nan
    assert np.allclose(fitted(points, old), turned, atol=1e-5)
    assert np.array_equal(fitted(points, np.full((50, 2), np.nan)), points)
    assert np.array_equal(fitted(np.zeros((3, 2), dtype=np.float32), np.ones((3, 2))), np.zeros((3, 2)))
    assert np.abs(fitted(points, np.where(np.abs(points) < 0.2, points * 50, np.nan))).max() <= 1.0


def test_the_process_answers_with_points_and_with_nothing_where_memory_does_not_suffice() -> None:
    vectors = heaps(12).astype("<f4")
    question = (24).to_bytes(4, "little") + vectors.tobytes()
    answers = io.BytesIO()
    serve_on(io.BytesIO(len(question).to_bytes(HEAD, "big") + question), answers, answer)
    assert answers.getvalue()[HEAD:] == laid_out(vectors).astype("<f4").tobytes()


class Told(Child):
    """Answers so, and is closed."""

    def __init__(self, told: bytes) -> None:
        super().__init__("nothing")
        self.told, self.is_closed = told, False

    def ask(self, question: bytes, timeout_s: float, most: int) -> bytes:
        return self.told

    def close(self) -> None:
        self.is_closed = True


def test_a_process_without_memory_is_told_as_that_and_ended() -> None:
    child = Told(b"")
    with pytest.raises(ChildEnded, match="too_much_memory"):
        Layout(heaps(3), lambda *_: child).ask()
    assert child.is_closed
    child = Told(np.ones((3, 2), dtype="<f4").tobytes())
    assert Layout(heaps(3), lambda *_: child).ask().tolist() == [[1.0, 1.0]] * 3


@pytest.mark.slow
def test_a_process_of_its_own_gives_the_same_bytes_and_one_that_is_closed_ends() -> None:
    vectors = heaps(60).astype(np.float32)
    assert Layout(vectors).ask().tobytes() == Layout(vectors).ask().tobytes()
    ended = Layout(vectors)
    ended.close()
    with pytest.raises(ChildEnded, match="closed"):
        ended.ask()
