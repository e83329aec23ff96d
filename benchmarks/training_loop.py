"""Speed of the training loop on made-up boxes, on processors or a GPU, beside its goal.

    python benchmarks/training_loop.py [--device auto] [--threads 2] [--boxes 10000] [--epochs 3]
        [--networks membrain wide] [--precisions bf16 fp32] [--batch-sizes 128 1024]

Needs torch, numpy, safetensors and tqdm alone. Each case runs in a process of its own through
`training.train_network`, with the boxes, augmentation and heads of a real run; the times are those
of the fastest epoch after a first one, which compiles and fills caches. Seconds are counted per
10 000 boxes and epoch: by the clock and, on processors, as processor time over the number of
threads, which other work on the machine disturbs less. On a GPU the times that the host waited for
it during an epoch are counted too: data that stay on the device give a few, whatever the number of
batches. The calibration, a matrix product on the same device, tells machines apart.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from measuring.rows import print_head, print_row, write_figures

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
GOAL = {"membrain": "15 s", "wide": "-"}  # two cores
# box of the network, its larger source in the plane, heads
NETWORKS = {
    "membrain": ((12, 12, 12), (12, 18, 18), ()),
    "wide": ((14, 20, 20), (14, 30, 30), ("angle", "others")),
}
Figures = Iterator[tuple[str, float, str, str]]  # name, value, unit, goal


def _wait(device) -> None:
    """Wait until a GPU has done all that it was told."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def calibrate(args: argparse.Namespace, device) -> Figures:
    """Yield the name of the device and its speed of matrix products."""
    import torch

    size, repeat = (8192, 20) if device.type == "cuda" else (1500, 5)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{args.threads} cores"
    for precision in (torch.float32, torch.bfloat16):
        matrix = torch.rand((size, size), device=device, dtype=precision)
        matrix @ matrix
        _wait(device)
        start = time.perf_counter()
        for _ in range(repeat):
            matrix @ matrix
        _wait(device)
        speed = repeat * 2 * size**3 / (time.perf_counter() - start) / 1e9
        kind = str(precision).removeprefix("torch.")
        yield f"{name}: {size}^3 matrix product, {kind}", speed, "GFLOP/s", "-"


def make_samples(n_boxes: int, network: str, device):
    """Return random boxes with labels, on the device."""
    import torch

    from membrain.training import Samples

    _, source, heads = NETWORKS[network]
    generator = torch.Generator().manual_seed(0)
    boxes = torch.randn((n_boxes, *source), generator=generator).to(device)
    labels = (7 * torch.rand((n_boxes, 1), generator=generator)).to(device)
    angles = torch.nn.functional.normalize(torch.randn((n_boxes, 1, 2), generator=generator), dim=2)
    return Samples(boxes, labels, *((angles.to(device), labels.clone()) if heads else ()))


def make_run(args: argparse.Namespace, device) -> Callable:
    """Return a function of the number of epochs and of what is told after each, which trains."""
    from membrain.heads import n_columns
    from membrain.network import build_network
    from membrain.recipes import Recipe
    from membrain.training import train_network

    (network,), (precision,), (batch_size,) = args.networks, args.precisions, args.batch_sizes
    box, _, heads = NETWORKS[network]
    samples = make_samples(args.boxes, network, device)
    model = build_network(network, n_columns(1, heads), box).to(device)
    how = {"network": network, "precision": precision, "batch_size": batch_size, "heads": heads}
    how |= {"box_shape": box, "box_centre": tuple(n / 2 for n in box), "folds": (2,)}

    def run(epochs: int, note: Callable[[dict], None]) -> None:
        train_network(model, samples, None, Recipe(epochs=epochs, **how), note=note)

    return run


def count_waits(run: Callable) -> int:
    """Return how often the host waited for the GPU while an epoch ran."""
    import torch

    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        run(1, lambda row: None)
        torch.cuda.set_sync_debug_mode("default")
    return sum("called a synchronizing" in str(wait.message) for wait in waits)


def measure(args: argparse.Namespace, device) -> Figures:
    """Yield the figures of one network, precision and batch size."""
    import torch

    run, times = make_run(args, device), []

    def note(row: dict) -> None:
        _wait(device)
        times.append((time.perf_counter(), time.process_time()))

    run(args.epochs + 1, note)
    clock, processor = (
        min(b[i] - a[i] for a, b in zip(times, times[1:], strict=False)) for i in (0, 1)
    )
    (network,), (precision,), (batch_size,) = args.networks, args.precisions, args.batch_sizes
    n_seen = max(1, args.boxes // batch_size) * min(batch_size, args.boxes)
    what, goal = f"{network}, {precision}, batch {batch_size}", "-"
    yield f"{what}: boxes", n_seen / clock, "/s", "-"
    if device.type == "cpu":
        goal = GOAL[network] if args.threads == 2 else "-"
        seconds = processor / args.threads * 1e4 / n_seen
        yield "    10 000 boxes, processor time / threads", seconds, "s", goal
    yield "    10 000 boxes, by the clock", clock * 1e4 / n_seen, "s", goal
    if device.type == "cuda":
        n_batches = max(1, args.boxes // batch_size)
        yield (
            f"    waits for the device in an epoch of {n_batches} batches",
            count_waits(run),
            "",
            "-",
        )
        yield "    memory of the device", torch.cuda.max_memory_allocated(device) / 1e6, "MB", "-"


def work(args: argparse.Namespace) -> None:
    """Measure one row in this process."""
    from membrain.devices import choose_device, set_up

    device = choose_device(args.device)
    set_up(device, args.threads)
    write_figures((calibrate if args.row == "calibrate" else measure)(args, device))


def main() -> None:
    """Measure each case in a process of its own."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--boxes", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=3, help="after the first")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    precisions = ("auto", "bf16", "fp32")
    parser.add_argument("--precisions", nargs="+", choices=precisions, default=["bf16", "fp32"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[128, 1024])
    parser.add_argument("--row", choices=("calibrate", "measure"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.boxes < 2 or args.epochs < 1 or args.threads < 1 or min(args.batch_sizes) < 2:
        parser.error("--boxes and --batch-sizes from 2, --epochs and --threads from 1")
    if args.row:
        return work(args)
    os.environ.update(dict.fromkeys(THREADS, str(args.threads)))
    own = [__file__, "--device", args.device, "--threads", str(args.threads)]
    own += ["--boxes", str(args.boxes), "--epochs", str(args.epochs), "--row"]
    print_head()
    print_row([*own, "calibrate"])
    for network in args.networks:
        for precision in args.precisions:
            for size in args.batch_sizes:
                case = ["--networks", network, "--precisions", precision]
                print_row([*own, "measure", *case, "--batch-sizes", str(size)])


if __name__ == "__main__":
    main()
