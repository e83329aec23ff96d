"""Weights of a network and the card that says what they were made for.

``NAME.safetensors`` holds the tensors, of an ensemble those of every network, ``NAME.json`` beside
it the card. Neither can run code when
read. The card's checksum ties the two together.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from .cards import FORMAT, Card, card_path, read_card
from .errors import InputError
from .files import atomic_path, write_json

__all__ = ["FORMAT", "Card", "card_path", "load_into", "read_card", "write_weights"]
__all__ += ["read_networks", "read_weights"]


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_weights(path: str | Path, tensors: Mapping[str, Tensor], card: Card) -> Card:
    """Write tensors and card; return the card with its checksum.

    Parameters
    ----------
    path : path, ends in ``.safetensors``
    tensors : mapping of names to tensors, a network's ``state_dict()``
    card : Card
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise InputError(f"{path}: name of a weights file", expected="an ending .safetensors")
    with atomic_path(path) as temporary:
        content = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
        temporary.write_bytes(save(content))  # the package's own writing hides a full disk's error
        card = Card(**{**_content(card), "sha256": _checksum(temporary)})
        write_json(card_path(path), {"format": FORMAT, **asdict(card)})
    return card


def _content(card: Card) -> dict:
    return {f.name: getattr(card, f.name) for f in fields(card)}


def read_weights(path: str | Path) -> tuple[nn.Module, Card]:
    """Return the network of a weights file, in evaluation mode, and its card.

    Raises
    ------
    InputError
        As `read_networks`, and when the file holds several networks.
    """
    networks, card = read_networks(path)
    if len(networks) > 1:
        raise InputError(f"{path}: an ensemble", found=f"{len(networks)} networks", expected="one")
    return networks[0], card


def stack_tensors(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of several networks under the names ``0.NAME``, ``1.NAME``, ..."""
    return {f"{i}.{name}": t for i, member in enumerate(members) for name, t in member.items()}


def _unstack(tensors: Mapping[str, Tensor], n_members: int) -> list[dict[str, Tensor]]:
    """Return the tensors of each network of a file; names of no network go to the first."""
    if n_members == 1:
        return [dict(tensors)]
    out: list[dict[str, Tensor]] = [{} for _ in range(n_members)]
    for name, tensor in tensors.items():
        number, _, rest = name.partition(".")
        is_known = number.isdecimal() and int(number) < n_members
        out[int(number) if is_known else 0][rest if is_known else name] = tensor
    return out


def read_networks(path: str | Path) -> tuple[list[nn.Module], Card]:
    """Return the networks of a weights file, in evaluation mode, and their card.

    Raises
    ------
    InputError
        When the file is absent, damaged or changed since the card was written, has no valid card,
        or does not hold the networks that the card names.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file", expected="weights, a .safetensors file")
    card = read_card(path)
    checksum = _checksum(path)
    if checksum != card.sha256:
        raise InputError(
            f"{path}: not the file that its card describes",
            found=f"sha256 {checksum[:12]}...",
            expected=f"{card.sha256[:12]}...",
            remedy="copy the weights and the card again, together",
        )
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise InputError(f"{path}: unreadable", found=error, expected="safetensors") from None
    members = _unstack(tensors, card.members)
    return [load_into(card.build(), member, path).eval() for member in members], card


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: str | Path) -> nn.Module:
    """Fill a network with tensors and return it.

    Raises
    ------
    InputError
        When a tensor is missing, superfluous or of another shape; names the first of each.
    """
    expected = {name: tuple(t.shape) for name, t in network.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if found != expected:
        differing = sorted(n for n in expected.keys() | found if expected.get(n) != found.get(n))
        name = differing[0]
        raise InputError(
            f"{path}: {len(differing)} tensors do not fit the network, the first is '{name}'",
            found=f"shape {found[name]}" if name in found else "nothing",
            expected=f"shape {expected[name]}" if name in expected else "no such tensor",
        )
    network.load_state_dict(tensors)
    return network
