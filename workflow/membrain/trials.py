"""Runs of the workflow with other options, and what they share.

::

    trial  = name + whole configuration + membranes that train, validate and are judged
    stage    points   boxes   labels   network   model   scores   clusters   particles   evaluation
    key      of the options that decide it, and of the keys of what it is made from

Two trials whose options agree up to a stage have the same key there, and so the same file. All keys
follow from the sheets and the configuration alone.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

# options of the clustering that decide positions, and what `find_clusters` calls them
CLUSTERING = {
    "bandwidth_voxel": "bandwidth",
    "fuse_voxel": "fuse_distance",
    "split_diameter_voxel": "split_diameter",
    "split_bandwidth_voxel": "split_bandwidth",
    "min_points": "min_points",
}
JUDGED = ("threshold", *CLUSTERING)  # options of `cluster_points` that a search may vary

N_DIGITS = 10  # of a key: 40 bits, of some hundreds of them no two are equal
NOT_LEARNT = ("ensemble", "tensorboard", "pixel_size_angstrom")


@dataclass(frozen=True)
class Trial:
    """One run.

    Attributes
    ----------
    name : str
    options : dict, the whole configuration of the run
    changes : dict of dotted key to value, what differs from the user's configuration
    training, validation, judged : tuple of ``TOMOGRAM/MEMBRANE``
    labels : dict, what the trial is called by in tables, column to value
    """

    name: str
    options: dict
    changes: dict = field(default_factory=dict)
    training: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    labels: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """One result of a stage: the trial that asked for it first, and keys of what it is made from.

    `seed` is that of the network.
    """

    trial: Trial
    up: Mapping[str, str]
    seed: int = 0


def key_of(*parts: object) -> str:
    """Return a short key of anything that JSON can hold."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:N_DIGITS]


def set_keys(options: Mapping, changes: Mapping[str, object]) -> dict:
    """Return a configuration with some values changed; keys are dotted, ``train_model.epochs``."""
    out = copy.deepcopy(dict(options))
    for dotted, value in changes.items():
        *sections, name = dotted.split(".")
        place = out
        for section in sections:
            place = place.setdefault(section, {})
        place[name] = value
    return out


def nest(changes: Mapping[str, object]) -> dict:
    """Return dotted keys as sections, as they stand in a configuration file."""
    return set_keys({}, changes)


def expand(grid: Mapping[str, Sequence]) -> list[dict]:
    """Return each combination of the values of a grid, the last key varying fastest."""
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


class Variants:
    """What the trials need at each stage, each once.

    Attributes
    ----------
    by_stage : dict of stage to dict of key to Variant
    tomograms : str, the sheet whose tomograms give points and labels their frame
    """

    def __init__(self, tomograms: str) -> None:
        self.by_stage: dict[str, dict[str, Variant]] = {}
        self.tomograms = tomograms

    def of(self, stage: str, key: str) -> Variant:
        """Return a variant that was added."""
        return self.by_stage[stage][key]

    def _add(self, stage: str, trial: Trial, parts: object, seed: int = 0, **up: str) -> str:
        key = key_of(stage, parts, up)
        self.by_stage.setdefault(stage, {}).setdefault(key, Variant(trial, up, seed))
        return key

    def add_labels(self, trial: Trial, pixel_size: float, box: Mapping, wide: Mapping) -> dict:
        """Add points, boxes and labels of a trial; return their keys.

        Another sheet of tomograms gives other boxes of the same points.

        Parameters
        ----------
        trial : Trial
        pixel_size : float, angstrom per working voxel
        box, wide : mapping
            Boxes to score, and the larger ones to train on.
        """
        options = trial.options
        own = replace(trial, options={**options, "tomograms": self.tomograms})
        frame, info = self._add_info(own), self._add_info(trial)
        points = [options["sample_points"], options["seed"], pixel_size]
        points = self._add("points", trial, points, info=frame)
        extract = options["extract_subvolumes"]
        boxes = self._add("boxes", trial, [extract, box], points=points, info=info)
        wide = self._add("wide", trial, [extract, wide], points=points, info=info)
        how = [options["label_points"], options["evaluate_particles"]["ambiguous_classes"]]
        labels = self._add("labels", trial, how, boxes=wide, info=frame)
        return {"info": info, "points": points, "boxes": boxes, "wide": wide, "labels": labels}

    def _add_info(self, trial: Trial) -> str:
        options = trial.options
        return self._add("info", trial, [options["tomograms"], options["inspect_tomogram"]])

    def add_networks(self, trial: Trial, keys: Mapping[str, str], stage: str) -> list[str]:
        """Add the networks of a trial, one for each member of its ensemble; return their keys."""
        train = trial.options["train_model"]
        how = {name: v for name, v in train.items() if name not in NOT_LEARNT}
        who = [sorted(trial.training), sorted(trial.validation)]
        up = {"labels": keys["labels"], "boxes": keys["wide"]}
        seeds = range(trial.options["seed"], trial.options["seed"] + train["ensemble"])
        return [self._add(stage, trial, [how, who, seed], seed, **up) for seed in seeds]

    def add_chain(self, trial: Trial, keys: Mapping[str, str]) -> str:
        """Add everything from the networks to the evaluation of a trial; return the last key."""
        options = trial.options
        members = self.add_networks(trial, keys, "network")
        up = {str(i): member for i, member in enumerate(members)}
        if len(members) > 1:
            given = options["train_model"]["threshold_voxel"]
            up = {"joined": self._add("joined", trial, given, **up)}
        how = [options["score_points"], sorted(trial.judged)]
        scores = self._add("scores", trial, how, boxes=keys["boxes"], **up)
        clusters = self._add("clusters", trial, options["cluster_points"], scores=scores)
        up = {"scores": scores, "clusters": clusters}
        particles = self._add("particles", trial, options["orient_particles"], **up)
        how = [options["evaluate_particles"], options["label_points"], sorted(trial.judged)]
        return self._add("evaluation", trial, how, particles=particles, scores=scores)
