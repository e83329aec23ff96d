import numpy as np
import pytest
from scipy import ndimage

from membrain import subvolumes
from membrain.sampling import BoxGrid, box_axes, sample_boxes, smooth, spline_coefficients
from membrain.subvolumes import SubvolumeWriter, cut_tiles, iter_boxes

SHAPE = (40, 90, 70)
GREY = {"centre": 10.0, "scale": 2.0, "low": -3.0, "high": 2.5, "limit": 3.0}


@pytest.fixture(scope="module")
def volume():
    return np.random.default_rng(0).normal(10, 2, SHAPE).astype(np.float32)


def reader(volume, seen=None):
    def read(start, stop):
        if seen is not None:
            seen.append((tuple(map(int, start)), tuple(map(int, stop))))
        return volume[tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))]

    return read


def random_points(n, seed=1):
    rng = np.random.default_rng(seed)
    normals = rng.normal(size=(n, 3))
    points = rng.uniform(0, np.array(SHAPE) - 1, (n, 3))
    return points.astype(np.float32), normals / np.linalg.norm(normals, axis=1, keepdims=True)


def collect(read, points, normals, grid, **options):
    out = np.full((len(points), *grid.shape), np.nan, np.float32)
    for rows, boxes in iter_boxes(read, SHAPE, points, normals, grid, GREY, **options):
        assert np.isnan(out[rows]).all(), "a row came twice"
        out[rows] = boxes
    assert not np.isnan(out).any(), "a row never came"
    return out


def whole(volume, points, normals, grid, sigma=0.0):
    """The same boxes from the whole volume at once, normalised by hand."""
    z = np.clip((volume.astype(float) - 10) / 2, -3, 2.5)
    values = ((z + 3) / 5.5).astype(np.float32)
    coefficients = spline_coefficients(smooth(values, sigma))
    return sample_boxes(coefficients, *box_axes(points, normals, grid), grid.shape)


@pytest.mark.parametrize("sigma", [0.0, 0.6, 5.0])
@pytest.mark.parametrize("max_voxels", [10_000, 60_000, 10**9])
def test_crops_give_the_same_boxes_as_the_whole_volume(volume, monkeypatch, max_voxels, sigma):
    monkeypatch.setattr(subvolumes.cut_tiles, "__defaults__", (max_voxels,))
    points, normals = random_points(200)
    grid = BoxGrid((4, 5, 6), (1, 2, 3), 0.8)
    got = collect(reader(volume), points, normals, grid, sigma=sigma)
    np.testing.assert_allclose(got, whole(volume, points, normals, grid, sigma), atol=1e-5)


def test_blocks_are_bounded_and_cover_every_row(volume, monkeypatch):
    monkeypatch.setattr(subvolumes, "BLOCK_BOXES", 7)
    points, normals = random_points(50)
    sizes = [len(r) for r, _ in iter_boxes(reader(volume), SHAPE, points, normals, BoxGrid(), GREY)]
    assert max(sizes) == 7
    assert sum(sizes) == 50


def test_inverted_boxes_are_one_minus_the_boxes(volume):
    points, normals = random_points(20)
    grid = BoxGrid((3, 3, 3), (1, 1, 1))
    plain = collect(reader(volume), points, normals, grid)
    turned = collect(reader(volume), points, normals, grid, is_inverted=True)
    np.testing.assert_allclose(turned, 1 - plain, atol=1e-6)


def test_only_the_crop_around_the_points_is_read(volume):
    seen = []
    points = np.array([[20.4, 50.0, 30.0], [20.4, 52.0, 31.0]])
    grid = BoxGrid((2, 2, 2), (1, 1, 1))
    collect(reader(volume, seen), points, np.array([[1.0, 0, 0]] * 2), grid)
    ((start, stop),) = seen
    assert start == (6, 36, 16)  # 2 voxels of reach, 12 of the spline
    assert stop == (36, 67, 46)


def test_mirrored_padding_equals_scipy_beyond_the_faces(volume):
    point, normal, grid = np.array([[2.0, 88.5, 1.0]]), np.array([[0.0, 0.6, 0.8]]), BoxGrid()
    origins, steps = box_axes(point, normal, grid)
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    where = np.moveaxis(origins[0] + index @ steps[0], -1, 0)
    assert (where < 0).any()
    z = (np.clip((volume.astype(float) - 10) / 2, -3, 2.5) + 3) / 5.5
    expected = ndimage.map_coordinates(z, where, order=3, mode="mirror")
    np.testing.assert_allclose(collect(reader(volume), point, normal, grid)[0], expected, atol=1e-5)


def test_tiles_are_bounded_and_hold_each_point_once_with_its_margin():
    points, _ = random_points(2000)
    tiles = cut_tiles(points, 6, SHAPE, max_voxels=30_000)
    assert len(tiles) > 4
    np.testing.assert_array_equal(np.sort(np.concatenate([t.rows for t in tiles])), np.arange(2000))
    for tile in tiles:
        assert tile.n_voxels <= 30_000
        assert (tile.start >= 0).all()
        assert (tile.stop <= SHAPE).all()
        inner_low = np.maximum(points[tile.rows].min(axis=0) - 6, 0)
        inner_high = np.minimum(points[tile.rows].max(axis=0) + 6, np.array(SHAPE) - 1)
        assert (tile.start <= inner_low).all()
        assert (tile.stop - 1 >= inner_high).all()


def test_tiles_of_no_one_and_many_equal_points():
    assert cut_tiles(np.empty((0, 3)), 6, SHAPE) == []
    (tile,) = cut_tiles(np.array([[0.0, 0.0, 69.0]]), 6, SHAPE)
    assert tile.start.tolist() == [0, 0, 63]
    assert tile.stop.tolist() == [7, 7, 70]
    (tile,) = cut_tiles(np.full((500, 3), 30.0), 20, SHAPE, max_voxels=10)  # cannot be split
    assert len(tile.rows) == 500


def test_no_point_reads_nothing(volume):
    seen = []
    empty = np.empty((0, 3), np.float32)
    assert list(iter_boxes(reader(volume, seen), SHAPE, empty, empty, BoxGrid(), GREY)) == []
    assert seen == []


def write(path, batches, shape=(2, 3, 4)):
    writer = SubvolumeWriter(path, shape)
    for n, blocks in batches:
        writer.append(n, iter(blocks))
    writer.close()


def test_writer_puts_blocks_into_their_rows(tmp_path):
    values = np.random.default_rng(2).random((5, 2, 3, 4), dtype=np.float32)
    write(
        tmp_path / "a.npy",
        [
            (3, [(np.array([2, 0]), values[[2, 0]]), (np.array([1]), values[[1]])]),
            (0, []),
            (2, [(np.array([0, 1]), values[3:])]),
        ],
    )
    got = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert got.dtype == np.float32
    assert got.flags.c_contiguous
    np.testing.assert_array_equal(got, values)


def test_writer_makes_the_bytes_of_numpy(tmp_path):
    values = np.random.default_rng(3).random((12, 2, 3, 4), dtype=np.float32)
    write(tmp_path / "a.npy", [(12, [(np.arange(12), values)])])
    np.save(tmp_path / "b.npy", values)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_writer_without_rows_is_a_valid_file(tmp_path):
    write(tmp_path / "a.npy", [])
    assert np.load(tmp_path / "a.npy").shape == (0, 2, 3, 4)


def test_writer_forgets_the_rows_of_a_failure(tmp_path):
    def broken():
        yield np.array([0]), np.full((1, 2, 3, 4), 9, np.float32)
        raise OSError("disk gone")

    writer = SubvolumeWriter(tmp_path / "a.npy", (2, 3, 4))
    writer.append(1, iter([(np.array([0]), np.full((1, 2, 3, 4), 1, np.float32))]))
    with pytest.raises(OSError, match="disk gone"):
        writer.append(4, broken())
    writer.append(1, iter([(np.array([0]), np.full((1, 2, 3, 4), 2, np.float32))]))
    writer.close()
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy")[:, 0, 0, 0], [1, 2])
