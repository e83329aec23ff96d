"""Choice of the device and of the precision that the network runs with."""

from __future__ import annotations

import torch

from .errors import InputError


def choose_device(name: str) -> torch.device:
    """Return the device of a name.

    Parameters
    ----------
    name : {"auto", "cpu", "cuda"}
        ``auto``: a GPU when there is one.

    Raises
    ------
    InputError
        When ``cuda`` is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "device 'cuda': torch finds no GPU",
            remedy="use device 'auto' or 'cpu', or install torch for CUDA on a machine with a GPU",
        )
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def set_up(device: torch.device, threads: int) -> None:
    """Use this many threads, and only algorithms that give the same result each time."""
    torch.set_num_threads(threads)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False


def has_fast_bf16(device: torch.device) -> bool:
    """Return whether 16-bit brain floats are computed faster than 32-bit floats.

    On processors that takes AVX512-BF16 or AMX; others emulate them, slower than float32.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = torch.cpu.get_capabilities()
    return bool(known.get("avx512_bf16") or known.get("amx_bf16"))
