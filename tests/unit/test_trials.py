"""Trials: their configurations, and what they share."""

from membrain.trials import Trial, Variants, expand, nest, set_keys

OPTIONS = {
    "tomograms": "t.tsv",
    "seed": 3,
    "inspect_tomogram": {},
    "sample_points": {"thinning_voxel": 1.5},
    "extract_subvolumes": {"border": "drop"},
    "label_points": {"distance": "euclidean"},
    "evaluate_particles": {"ambiguous_classes": ["UK"]},
    "train_model": {"epochs": 2, "ensemble": 1, "tensorboard": False, "threshold_voxel": 0},
    "score_points": {},
    "cluster_points": {"bandwidth_voxel": 4.5},
    "orient_particles": {},
}
BOX, WIDE = {"box_shape": [6, 6, 6]}, {"box_shape": [6, 9, 9]}


def test_dotted_keys_change_a_copy():
    changed = set_keys(OPTIONS, {"train_model.epochs": 9, "seed": 4})
    assert (changed["train_model"]["epochs"], changed["seed"]) == (9, 4)
    assert (OPTIONS["train_model"]["epochs"], OPTIONS["seed"]) == (2, 3)
    assert nest({"a.b": 1, "a.c": 2, "d": 3}) == {"a": {"b": 1, "c": 2}, "d": 3}


def test_grid_is_expanded_to_every_combination():
    assert expand({"a": [1, 2], "b": ["x", "y"]}) == [
        *({"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}),
    ]


class Keys:
    """Adds trials to the same variants and tells their keys."""

    def __init__(self):
        self.variants = Variants("t.tsv")

    def __call__(self, **changes):
        training = changes.pop("training", ("T1/M1",))
        judged = changes.pop("judged", ("T1/M2",))
        changes = {key.replace("__", "."): value for key, value in changes.items()}
        trial = Trial("x", set_keys(OPTIONS, changes), {}, training, (), judged)
        keys = self.variants.add_labels(trial, 10.0, BOX, WIDE)
        networks = self.variants.add_networks(trial, keys, "network")
        last = self.variants.add_chain(trial, keys)
        up = self.variants.of("evaluation", last).up
        clusters = self.variants.of("particles", up["particles"]).up["clusters"]
        return {**keys, "network": networks[0], "scores": up["scores"], "clusters": clusters}


def differing(first, second):
    return {stage for stage in first if first[stage] != second[stage]}


def test_trials_differ_from_the_first_stage_that_their_options_touch():
    keys = Keys()
    base = keys()
    assert differing(base, keys()) == set()
    late = {"clusters"}
    assert differing(base, keys(cluster_points__bandwidth_voxel=6.0)) == late
    late |= {"network", "scores"}
    assert differing(base, keys(train_model__epochs=4)) == late
    assert differing(base, keys(training=("T1/M3",))) == late
    assert differing(base, keys(label_points__distance="mahalanobis")) == late | {"labels"}
    late |= {"labels", "boxes", "wide"}
    assert differing(base, keys(extract_subvolumes__border="pad")) == late
    assert differing(base, keys(sample_points__thinning_voxel=2.0)) == late | {"points"}
    assert differing(base, keys(judged=("T1/M1",))) == {"scores", "clusters"}


def test_another_sheet_of_tomograms_gives_other_boxes_of_the_same_points():
    keys = Keys()
    base, other = keys(), keys(tomograms="raw.tsv")
    assert "points" not in differing(base, other)
    assert {"info", "boxes", "wide", "labels", "network"} <= differing(base, other)


def test_nothing_is_made_twice():
    keys = Keys()
    for bandwidth in (4.5, 5.0, 6.0):
        keys(cluster_points__bandwidth_voxel=bandwidth)
    numbers = {stage: len(made) for stage, made in keys.variants.by_stage.items()}
    assert numbers["network"] == numbers["scores"] == 1
    assert numbers["clusters"] == numbers["evaluation"] == 3


def test_members_of_an_ensemble_are_networks_of_their_own_seeds():
    keys = Keys()
    single = keys()
    keys(train_model__ensemble=3)
    networks = keys.variants.by_stage["network"]
    assert sorted(v.seed for v in networks.values()) == [3, 4, 5]
    assert single["network"] in networks  # shared with the trial of one network
    (joined,) = keys.variants.by_stage["joined"].values()
    assert {joined.up[str(i)] for i in range(3)} == set(networks)


def test_logging_alone_makes_no_other_network():
    keys = Keys()
    assert differing(keys(), keys(train_model__tensorboard=True)) == set()
