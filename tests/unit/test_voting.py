import numpy as np
import pytest

from membrain.voting import vote_normals


def formula(points, raw, radius, decay, min_length, reference=None, cosine=0.0):
    """Return the voted axes, written out pair by pair."""
    length = np.linalg.norm(raw, axis=1)
    unit = raw / length[:, None]
    weight = np.where(length < min_length, 0, length)
    if not weight.any():
        weight = length
    if cosine:
        unit = np.where((length < min_length)[:, None], reference, unit)
        weight = np.where(length < min_length, 3 * min_length, length)
    out = []
    for number, p in enumerate(points):
        total = np.zeros((3, 3))
        for q, n, w in zip(points, unit, weight, strict=True):
            d = np.linalg.norm(q - p)
            if d < radius:
                u = (q - p) / d if d else np.zeros(3)
                vote = n - 2 * np.dot(n, u) * u
                if cosine and np.dot(vote, reference[number]) < cosine:
                    continue
                total += np.exp(-d / decay) * w * np.outer(vote, vote)
        out.append(np.linalg.eigh(total)[1][:, -1])
    return np.array(out)


def degrees(a, b):
    return np.degrees(np.arcsin(np.clip(np.linalg.norm(np.cross(a, b), axis=-1), 0, 1)))


@pytest.mark.parametrize(
    ("radius", "decay", "min_length"), [(15.0, 10.0, 4.0), (40.0, 100.0, 0.0), (9.0, 30.0, 99.0)]
)
def test_equals_the_formula(radius, decay, min_length):
    rng = np.random.default_rng(1)
    points = rng.integers(0, (8, 50, 70), (200, 3))
    raw = (rng.normal(0, 0.3, (200, 3)) + [1, 0.2, -0.3]) * rng.uniform(2, 9, (200, 1))
    voted = vote_normals(points, raw, radius=radius, decay=decay, min_length=min_length)
    expected = formula(points.astype(float), raw, radius, decay, min_length)
    lonely = np.all(expected == 0, axis=1)
    assert not lonely.any()
    near = np.linalg.norm(points[:, None] - points[None], axis=2) < radius
    voters = (near & ((np.linalg.norm(raw, axis=1) >= min_length) | (min_length > 90))).any(axis=1)
    assert voters.mean() > 0.9
    assert degrees(voted[voters], expected[voters]).max() <= 1e-4
    np.testing.assert_allclose(np.linalg.norm(voted, axis=1), 1)


@pytest.mark.parametrize("cosine", [0.5, 0.9])
@pytest.mark.parametrize("min_length", [0.0, 5.0, 99.0])
def test_gated_votes_equal_the_formula(cosine, min_length):
    rng = np.random.default_rng(4)
    points = rng.integers(0, (8, 50, 70), (200, 3))
    reference = rng.normal(0, 0.2, (200, 3)) + [1, 0.2, -0.3]
    reference /= np.linalg.norm(reference, axis=1, keepdims=True)
    raw = (reference + rng.normal(0, 0.2, (200, 3))) * rng.uniform(2, 9, (200, 1))
    options = {"radius": 15.0, "decay": 10.0, "min_length": min_length, "cosine": cosine}
    voted = vote_normals(points, raw, reference, **options)
    expected = formula(points.astype(float), raw, reference=reference, **options)
    assert degrees(voted, expected).max() <= 1e-4
    assert ((voted * reference).sum(axis=1) > 0).all()


def test_cosine_zero_and_no_reference_are_the_published_formula():
    rng = np.random.default_rng(5)
    points, raw = rng.integers(0, (8, 30, 40), (200, 3)), rng.normal(size=(200, 3)) * 6
    expected = formula(points.astype(float), raw, 40.0, 100.0, 4.0)
    turned = rng.normal(size=(200, 3))
    assert degrees(vote_normals(points, raw, turned, cosine=0.0), expected).max() <= 1e-4
    assert degrees(vote_normals(points, raw), expected).max() <= 1e-4


def two_sheets(gap):
    """Flat sheets one above the other; connections in the gap end half way."""
    plane = np.argwhere(np.ones((1, 24, 26))) * [1, 3, 3]
    points = np.concatenate([plane, plane + [gap, 0, 0]])
    lengths = np.repeat([gap / 2, 15.0], len(plane))
    up = np.array([[1.0, 0, 0]] * len(points))
    return points, up * lengths[:, None], up


@pytest.mark.parametrize("gap", [7, 8, 12, 20])
def test_a_sheet_beside_does_not_vote(gap):
    points, raw, up = two_sheets(gap)
    voted = vote_normals(points, raw, up)
    assert degrees(voted, up).max() < 0.01
    published = vote_normals(points, raw, up, cosine=0.0)
    assert np.percentile(degrees(published, up), 95) > 5


def test_point_without_a_fitting_vote_has_the_surfaces_normal():
    points, reference = np.array([[0, 0, 0], [0, 0, 9]]), np.array([[1.0, 0, 0], [0.6, 0.8, 0]])
    raw = np.array([[0, 8.0, 0], [0, 8.0, 0]])
    np.testing.assert_allclose(vote_normals(points, raw, reference), reference, atol=1e-12)


def test_votes_on_a_sphere_are_exact():
    rng = np.random.default_rng(2)
    outward = rng.normal(size=(500, 3))
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    voted = vote_normals(30 * outward, 8 * outward, radius=20)
    np.testing.assert_allclose(voted, outward, atol=1e-7)
    turned = vote_normals(30 * outward, 8 * outward, -outward, cosine=0.0)
    np.testing.assert_allclose(turned, -outward, atol=1e-7)


def test_mirrored_vote_not_the_plain_one():
    # on a circle of radius 10, a quarter turn away: the mirrored normal is the other's own
    points, raw = np.array([[0, 10.0, 0], [0, 0, 10.0]]), np.array([[0, 1, 0], [0, 0, 8.0]])
    voted = vote_normals(points, raw, radius=40)
    np.testing.assert_allclose(voted, [[0, 1, 0], [0, 0, 1]], atol=1e-9)


def test_empty_single_and_without_radius():
    assert vote_normals(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)
    one = np.array([[0, 3.0, 4.0]])
    np.testing.assert_allclose(vote_normals(np.array([[1, 2, 3]]), one), [[0, 0.6, 0.8]])
    np.testing.assert_allclose(vote_normals(np.array([[1, 2, 3]]), one, radius=0), [[0, 0.6, 0.8]])
    short, up = np.array([[0, 0.3, 0.4]]), np.array([[0, 1.0, 0]])
    for options in ({"radius": 0}, {"cosine": 0.0}):
        voted = vote_normals(np.array([[1, 2, 3]]), short, up, **options)
        np.testing.assert_allclose(voted, [[0, 0.6, 0.8]])


def test_point_beyond_every_trusted_vote_keeps_its_own():
    points, raw = np.array([[0, 0, 0], [0, 0, 200.0]]), np.array([[8.0, 0, 0], [0, 2.0, 0]])
    np.testing.assert_allclose(vote_normals(points, raw), [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_number_of_threads_changes_no_byte():
    import numba

    rng = np.random.default_rng(3)
    points, raw = rng.uniform(0, 60, (400, 3)), rng.normal(size=(400, 3)) * 6
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        one = vote_normals(points, raw)
        numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))
        two = vote_normals(points, raw)
    finally:
        numba.set_num_threads(before)
    assert one.tobytes() == two.tobytes()
