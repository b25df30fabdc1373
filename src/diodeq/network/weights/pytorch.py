"""The tensors of PyTorch's files."""

from __future__ import annotations

import warnings
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from diodeq import archives
from diodeq.errors import InputError
from diodeq.network.weights.keys import Arrays, Floats, Tensors, Texts, check_size, check_total, listed

SAVE = "save the state dict alone: torch.save(model.state_dict(), FILE)"


def read(path: Path) -> Tensors:
    """The tensors of a ``.pt`` or ``.pth`` file by name, read with ``weights_only=True``.

    Of a checkpoint, whose tensors lie in one dictionary beside other things, it is that dictionary.

    Raises:
        InputError: PyTorch is not installed; the file is damaged, or holds anything but a dictionary of plain tensors.
    """
    torch = package()
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                total = sum(member.file_size for member in archive.infolist())
            if total > archives.believable(path.stat().st_size):
                raise InputError(f"it unpacks to {total:,} bytes", "give a smaller network")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch raises whatever its unpickler and its archive reader do
        raise InputError(
            "it is damaged, or holds pickled code or a whole module, which diodeq never opens", SAVE
        ) from error
    if not isinstance(content, dict):
        raise InputError(f"it holds a {type(content).__name__}, not a state dict", SAVE)
    content, notes = _of_checkpoint(torch, content)
    arrays: Arrays = {}
    texts: Texts = {}
    tensors = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    for key, value in tensors.items():
        check_size(key, tuple(value.shape))
        if value.layout == torch.strided and value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise InputError(f"its {key} has fewer numbers in the file than its shape", "save tensor.contiguous()")
    check_total(tuple(value.shape) for value in tensors.values())
    for key, value in content.items():
        if isinstance(value, str) and str(key).startswith("activation"):
            texts[str(key)] = value
        elif isinstance(value, torch.Tensor):
            arrays[str(key)] = array(str(key), value)
        else:
            raise InputError(f"its {key!r} is a {type(value).__name__}, not a tensor", SAVE)
    return Tensors(arrays, texts, notes)


def _of_checkpoint(torch: Any, content: dict[Any, Any]) -> tuple[dict[Any, Any], tuple[str, ...]]:
    """The one dictionary of tensors in a dictionary that has none of its own but single numbers, alone in a list or
    not, and what is left out beside it."""
    opened = {
        str(key): value[0] if isinstance(value, list) and len(value) == 1 else value for key, value in content.items()
    }
    inner = {
        key: value
        for key, value in opened.items()
        if isinstance(value, dict) and value and all(isinstance(each, torch.Tensor) for each in value.values())
    }
    if not inner or any(isinstance(value, torch.Tensor) and value.dim() for value in content.values()):
        return content, ()
    if len(inner) > 1:
        raise InputError(f"it holds several state dicts: {listed(inner)}", SAVE)
    (name,) = inner
    others = [str(key) for key in content if str(key) != name]
    return inner[name], (f"left out of the checkpoint, beside its {name}: {listed(others)}",) if others else ()


def array(key: str, tensor: Any) -> Floats:
    """A tensor in float64; raises ``InputError`` naming ``key`` for one that is not plain and real."""
    check_size(key, tuple(tensor.shape))
    torch = package()
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex():
        raise InputError(f"its {key} is sparse, quantized or complex", "save plain real tensors")
    return np.array(tensor.detach().to(device="cpu", dtype=torch.float64).numpy(), np.float64)


def package() -> Any:
    """PyTorch; raises ``InputError`` where it is not installed."""
    try:
        return import_module("torch")
    except ImportError:
        raise InputError("PyTorch is not installed", "run: pip install diodeq[torch]") from None
