"""Figures of one run on polnet_a: sides and normals of each membrane, picks of each protein."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

SHIPPED = Path(__file__).resolve().parents[2] / "resources/weights/simulated.json"
PIXEL_SIZE = 10.0  # angstrom, of polnet_a
RADIUS = 4.5  # working voxels
WAYS = ("strict", "paper")

NEAR_VOXEL = 5.0  # sampled points this near to a true position are compared with its normal


def _membrane_sides(points: dict, truth: list[dict]) -> dict:
    """Return the figures of one membrane; `points` holds (points, normals) zyx by side.

    Each sampled point is compared with the outward normal of the nearest true particle.
    """
    place = np.array([[row[axis] for axis in "zyx"] for row in truth])
    outward = np.array([[row[f"n{axis}"] for axis in "zyx"] for row in truth])
    out = {}
    for side, (where, normals) in points.items():
        sign = 1.0 if side == "a" else -1.0
        distance, nearest = cKDTree(place).query(where)
        cosine = sign * (normals * outward[nearest]).sum(axis=1)
        at_truth = cKDTree(where).query(place, distance_upper_bound=NEAR_VOXEL)[1]
        known = at_truth < len(where)
        cosine_at = sign * (normals[at_truth[known]] * outward[known]).sum(axis=1)
        error = np.degrees(np.arccos(np.clip(cosine_at, -1, 1)))
        out[side] = {
            "n_points": len(where),
            "share_right": float((cosine > 0).mean()),
            "mean_cosine": float(cosine.mean()),
            "farthest_truth_voxel": float(distance.max()),
            "n_truth": int(known.sum()),
            "normal_error_mean_degree": float(error.mean()),
            "normal_error_median_degree": float(np.median(error)),
            "normal_error_largest_degree": float(error.max()),
        }
    return out


def sides(results: Path, truth: list[dict]) -> dict:
    """Return how sides and normals of every membrane compare with the truth.

    Side ``a`` should be the outside, where the truth's normals point to, and ``b`` the inside.
    """
    from membrain.tables import PointTable

    out = {}
    for path in sorted(results.glob("sample_points/*/*.npz")):
        table = PointTable.read(path)
        points: dict[str, dict] = {}
        for membrane, side, rows in table.groups():
            found = table.points[rows].astype(float), table.normals[rows].astype(float)
            points.setdefault(membrane, {})[side] = found
        for membrane, by_side in points.items():
            label = int(membrane[1:])
            mine = [row for row in truth if row["membrane_id"] == label]
            out[membrane] = _membrane_sides(by_side, mine)
    return dict(sorted(out.items()))


def _read_picks(results: Path) -> list[dict]:
    """Return the rows of particles.csv."""
    with open(results / "particles.csv", encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(line for line in handle if not line.startswith("#")))


def _read_card(results: Path) -> tuple[float, set[str]]:
    """Return the model's voxel in voxels of the tomogram, and the classes with an own output."""
    own = results / "train_model/model.json"
    card = json.loads((own if own.is_file() else SHIPPED).read_text(encoding="utf-8"))
    single = {group[0] for group in card["classes"] if len(group) == 1}
    return card["pixel_size_angstrom"] / PIXEL_SIZE, single


def _vectors(rows: list[dict], names: tuple[str, str, str]) -> np.ndarray:
    return np.array([[float(row[name]) for name in names] for row in rows]).reshape(-1, 3)


def _judge_membrane(found: list[dict], known: list[dict], radius: float) -> dict:
    """Return counts and the errors of hits of one membrane, counted without the workflow's code."""
    distance = cdist(
        _vectors(found, ("x_voxel", "y_voxel", "z_voxel")), _vectors(known, ("x", "y", "z"))
    )
    is_near = distance <= radius
    rows, columns = linear_sum_assignment(np.where(is_near, distance, 1e6))
    hits = [(i, j) for i, j in zip(rows, columns, strict=True) if is_near[i, j]]
    cosine = [
        _vectors([found[i]], ("normal_x", "normal_y", "normal_z"))[0]
        @ _vectors([known[j]], ("ax", "ay", "az"))[0]
        for i, j in hits
    ]
    return {
        "known": len(known),
        "picked": len(found),
        "hits": len(hits),
        "picks_near": int(is_near.any(axis=1).sum()) if len(known) else 0,
        "known_near": int(is_near.any(axis=0).sum()) if len(found) else 0,
        "position": [float(distance[i, j]) for i, j in hits],
        "angle": np.degrees(np.arccos(np.clip(cosine, -1, 1))).tolist(),
    }


def _ratios(n_right: int, n_found: int, n_picked: int, n_known: int) -> dict:
    precision, recall = n_right / max(n_picked, 1), n_found / max(n_known, 1)
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return {"precision": precision, "recall": recall, "f1": f1}


def _judge(found: list[dict], known: list[dict], working: float) -> dict:
    """Return the figures of some picks against some true particles, pooled over membranes."""
    total: dict = {}
    for label in sorted({row["membrane_id"] for row in known}):
        mine = [row for row in known if row["membrane_id"] == label]
        picked = [row for row in found if int(row["membrane"][1:]) == label]
        for name, value in _judge_membrane(picked, mine, RADIUS * working).items():
            total[name] = total.get(name, type(value)()) + value
    angle = np.array(total.pop("angle"))
    position = np.array(total.pop("position")) / working
    right = angle[angle < 90]  # a pick on the wrong side points the other way
    counts = total["picked"], total["known"]
    return {
        **total,
        "strict": _ratios(total["hits"], total["hits"], *counts),
        "paper": _ratios(total["picks_near"], total["known_near"], *counts),
        "share_right_side": len(right) / max(len(angle), 1),
        "normal_error_degree": float(np.median(right)) if len(right) else None,
        "position_error_voxel": float(position.mean()) if len(position) else None,
    }


def picks(results: Path, truth: list[dict], training: str) -> dict:
    """Return the figures of all picks, whatever their class, and of each protein.

    Where the model has an output for a protein, the protein's figures are those of that output. A
    model of one class cannot tell proteins apart, so there only the recall has a meaning.

    Parameters
    ----------
    results : path of a run
    truth : rows of gt.csv
    training : str, name of a membrane to leave out; may be empty
    """
    rows = [row for row in _read_picks(results) if row["membrane"] != training]
    truth = [row for row in truth if f"M{int(row['membrane_id']):03d}" != training]
    working, classes = _read_card(results)
    out = {"any": _judge(rows, truth, working)}
    for name in sorted({row["species"] for row in truth}):
        is_own = name in classes
        mine = [row for row in rows if row["class"] == name] if is_own else rows
        out[name] = _judge(mine, [row for row in truth if row["species"] == name], working)
        if not is_own:
            for way in WAYS:
                out[name][way] |= {"precision": None, "f1": None}
    return out


def differences(results: Path, figures: dict) -> list[str]:
    """Return where the workflow's own evaluation counts otherwise than this module."""
    metrics = json.loads((results / "evaluation/metrics.json").read_text(encoding="utf-8"))
    out = []
    for name, own in metrics["classes"].items():
        mine = figures.get(name, figures["any"])
        if mine["paper"]["precision"] is None:  # the output of a model of one class
            mine = figures["any"]
        pairs = [("n_annotated", "known"), ("n_predicted", "picked"), ("n_hits", "hits")]
        values = [(key, own[key], mine[other]) for key, other in pairs]
        values += [
            (f"paper {k}", own["paper"][k], mine["paper"][k]) for k in ("precision", "recall")
        ]
        out += [f"{name} {k}: {a} but {b}" for k, a, b in values if abs((a or 0) - b) > 1e-6]
    return out


def _text(value: float | None, digits: int = 2) -> str:
    return "  - " if value is None else f"{value:.{digits}f}"


def show(level: str, model: str, found_sides: dict, found_picks: dict) -> None:
    """Print the figures of one run."""
    print(f"\n== noise {level}, model {model}: sides")
    print("membrane side  points  right side  mean cosine  normal error, degree")
    for membrane, by_side in found_sides.items():
        for side, f in by_side.items():
            print(
                f"{membrane:<8} {side:<4} {f['n_points']:>7} {f['share_right']:>11.4f} "
                f"{f['mean_cosine']:>12.3f}  mean {f['normal_error_mean_degree']:.1f}, "
                f"median {f['normal_error_median_degree']:.1f}, "
                f"largest {f['normal_error_largest_degree']:.1f} at {f['n_truth']} particles"
            )
    print(f"== noise {level}, model {model}: picks")
    print("protein   known picked  strict P    R    F1   paper P    R    F1", end="")
    print("  position, voxel  normal, degree  right side")
    for name, f in found_picks.items():
        strict, paper = ([f[way][k] for k in ("precision", "recall", "f1")] for way in WAYS)
        print(
            f"{name:<9} {f['known']:>5} {f['picked']:>6}      "
            f"{'  '.join(map(_text, strict))}      {'  '.join(map(_text, paper))}"
            f"{_text(f['position_error_voxel']):>17}{_text(f['normal_error_degree'], 1):>16}"
            f"{_text(f['share_right_side']):>12}"
        )
