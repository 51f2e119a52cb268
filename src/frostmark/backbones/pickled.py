"""Why a file cannot be read as weights, and how to save the tensors that are in it.

    raise refusal(Path("last.ckpt"), problem)       # DataError: it names the objects beside the tensors

A pickle may run code when it is loaded; only tensors and plain values are taken out of one
(``torch.load(weights_only=True)``). Many training scripts save their settings with the weights: the message names them,
and gives a command that saves the tensors alone.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import shlex
import sys
from pathlib import Path

from frostmark.errors import DataError
from frostmark.signatures import PICKLE, kind_of

PLAIN = {
    "argparse.Namespace": "argparse.Namespace",
    "types.SimpleNamespace": "types.SimpleNamespace",
    "builtins.dict": "dict",
    "builtins.list": "list",
    "builtins.set": "set",
    "builtins.int": "int",
    "builtins.float": "float",
    "builtins.complex": "complex",
    "datetime.datetime": "datetime.datetime",
    "datetime.timedelta": "datetime.timedelta",
    "pathlib.Path": "pathlib.Path",
    "pathlib.PosixPath": "pathlib.PosixPath",
    "pathlib._local.PosixPath": "(pathlib.PosixPath, 'pathlib._local.PosixPath')",
    "pathlib.PurePosixPath": "pathlib.PurePosixPath",
    "numpy._core.multiarray.scalar": "numpy._core.multiarray.scalar",
    "numpy.core.multiarray.scalar": "(numpy._core.multiarray.scalar, 'numpy.core.multiarray.scalar')",
    "numpy._core.multiarray._reconstruct": "numpy._core.multiarray._reconstruct",
    "numpy.core.multiarray._reconstruct": "(numpy._core.multiarray._reconstruct, 'numpy.core.multiarray._reconstruct')",
    "numpy.ndarray": "numpy.ndarray",
    "numpy.dtype": "numpy.dtype",
}
"""Objects that hold values and run nothing, each as a command writes it."""

_UNSUPPORTED = frozenset({"collections.defaultdict", "collections.deque"})
"""As harmless, and yet nothing that torch would load with ``weights_only``."""

_NUMPY_KINDS = "*(type(numpy.dtype(k)) for k in '?bhilqBHILQefdFD')"
"""What ``numpy.dtype`` is once it is unpickled; torch asks for its classes by themselves."""

_PARTS = ("state_dict", "model_state_dict", "model")
"""Where the command looks for the tensors."""


def refusal(path: Path, problem: BaseException) -> DataError:
    """What is wrong with a file that cannot be read as weights, and the way out."""
    told = f"{path} cannot be read as weights: "
    if kind_of(path).words == PICKLE and not isinstance(problem, NotWeightsError) and _ends_early(path, problem):
        told += "it ends too early: it was cut off while it was saved, copied or downloaded"
        return DataError(told, fix=_INTACT)
    strangers = _strangers(path, problem)
    if "TorchScript" in str(problem):
        return DataError(f"{told}it is a TorchScript archive, which holds code", fix=_script_fix(path))
    if not strangers:
        return DataError(told + _told(path, problem), fix=_intact(path))
    named = ", ".join(strangers[:4]) + (f" and {len(strangers) - 4} more" if len(strangers) > 4 else "")
    told += f"it is a pickle that holds other objects than tensors ({named})"
    if all(name in PLAIN for name in strangers):
        return DataError(
            f"{told}: values that the training script saved with the weights",
            fix="save the tensors alone, which runs nothing of the file, and name the new file: "
            f"{_harmless(path, strangers)}",
        )
    if any(map(_acts, strangers)):
        return DataError(
            f"{told}, which act when they are loaded. Nothing of the file was run",
            fix="do not load it elsewhere either; get the weights from a source that you trust, as .safetensors",
        )
    return DataError(
        f"{told}: objects of the program that saved it, whose code would run",
        fix="if you trust who made the file, save the tensors alone where that program is installed (this runs what "
        f"the file holds), and name the new file: {_trusting(path)}",
    )


_INTACT = "name an intact file of tensors: .safetensors, or a .pth that torch.load(weights_only=True) accepts"

_READ = (".safetensors", ".pth")
"""Endings of the kinds of files that weights are read from."""


class NotWeightsError(ValueError):
    """A file that can be read, and holds something else; its text says what, for a person."""


def _told(path: Path, problem: BaseException) -> str:
    """Why a file cannot be read, in words: what libraries raise about damaged bytes says nothing to a person."""
    if isinstance(problem, NotWeightsError):
        return str(problem)
    kind = kind_of(path)
    if kind.words and (kind.cut or not kind.suits(path)):
        return f"it is {kind.words}"
    if not kind.words:
        return "it does not contain weights"
    if isinstance(problem, pickle.UnpicklingError):
        return "it is a pickle that torch.save did not write"
    return "it is damaged: its parts do not fit together"


_OLD_MAGIC, _OLD_PARTS = pickle.dumps(0x1950A86A20F9469CFC6C, 2), 5
"""How a file of torch before 1.6 begins, and the pickles in a row that it holds; behind them stand the values."""


def _ends_early(path: Path, problem: BaseException) -> bool:
    """Whether a pickle is over before its end, or the values behind it; it is taken apart, never loaded."""
    if "unexpected EOF" in str(problem):
        return True
    try:
        with path.open("rb") as file:
            parts = _OLD_PARTS if file.read(len(_OLD_MAGIC)) == _OLD_MAGIC else 1
            file.seek(0)
            for _ in range(parts):
                for _ in pickletools.genops(file):
                    pass
    except ValueError as cut:
        return re.search("exhausted|not enough data|only .* remain|newline", str(cut)) is not None
    return False


def _intact(path: Path) -> str:
    """The way out: another file, or the same one by the name of what it is."""
    kind = kind_of(path)
    if kind.cut or not set(kind.endings) & set(_READ) or kind.suits(path):
        return _INTACT
    right = path.with_suffix(kind.endings[0])
    return f"give it the ending of what it is, and name the new file: {shlex.join(['mv', str(path), str(right)])}"


def _script_fix(path: Path) -> str:
    code = f"import torch; m = torch.jit.load({str(path)!r}, map_location='cpu'); "
    return (
        "if you trust who made the file, save its tensors alone, and name the new file: "
        f"{command_of(code + f'torch.save(dict(m.state_dict()), {_beside(path)!r})')}"
    )


def _strangers(path: Path, problem: BaseException) -> list[str]:
    """The dotted names of what the file would load beside tensors, found without loading it."""
    if not isinstance(problem, pickle.UnpicklingError):
        return []
    found = re.findall(r"GLOBAL (\S+) (?:was|whose)", str(problem))
    try:
        from torch.serialization import get_unsafe_globals_in_checkpoint

        found += sorted(get_unsafe_globals_in_checkpoint(path))
    except Exception:  # archives alone are understood, and damaged ones not
        pass
    return list(dict.fromkeys(name.strip().rstrip(",") for name in found))


def _acts(name: str) -> bool:
    """Whether it is something of Python, NumPy or torch that is no layer: no class of a training program."""
    top, dot, _ = name.partition(".")
    of_torch = top == "torch" and not name.startswith(("torch.nn.modules.", "torch.optim."))
    builtin = not dot or top in ("__builtin__", "numpy") or top in sys.stdlib_module_names - {"__main__"}
    return name not in {*PLAIN, *_UNSUPPORTED} and (of_torch or builtin)


def _harmless(path: Path, strangers: list[str]) -> str:
    """A command that lets plain values through and saves the tensors."""
    allowed = [PLAIN[name] for name in strangers]
    if any("numpy" in name for name in allowed):
        allowed = [*dict.fromkeys([*allowed, "numpy.dtype", "numpy.ndarray"]), _NUMPY_KINDS]
    modules = {"torch", *(re.sub(r"^\(|\..*", "", name) for name in allowed if "." in name and name != _NUMPY_KINDS)}
    return command_of(
        f"import {', '.join(sorted(modules))}; torch.serialization.add_safe_globals([{', '.join(allowed)}]); "
        f"c = torch.load({str(path)!r}, map_location='cpu', weights_only=True); {_saving(path)}"
    )


def _trusting(path: Path) -> str:
    """A command that loads everything and saves the tensors."""
    return command_of(
        f"import torch; c = torch.load({str(path)!r}, map_location='cpu', weights_only=False); "
        f"c = c if hasattr(c, 'state_dict') else {_part()}; "
        f"c = c.state_dict() if hasattr(c, 'state_dict') else c; torch.save(c, {_beside(path)!r})"
    )


def _saving(path: Path) -> str:
    return f"torch.save({_part()}, {_beside(path)!r})"


def _part() -> str:
    return f"next((c[k] for k in {_PARTS} if k in c), c)"


def _beside(path: Path) -> str:
    return str(path.with_name(f"{path.name.partition('.')[0]}-weights.pth"))


def converting(path: Path, safe: Path) -> str:
    """A command that writes the tensors of a pickle into a file of safetensors; it stops at anything but tensors."""
    copied = "{k: v.contiguous().clone() for k, v in c.items()}"
    return command_of(
        f"import torch; from safetensors.torch import save_file; c = {loading_code(path, '')}; c = {_part()}; "
        f"save_file({copied}, {str(safe)!r})"
    )


def loading_code(path: Path, place: str) -> str:
    """An expression for the tensors of a file, below a place such as ``state.model``; nothing of the file is run."""
    if path.suffix.lower() == ".safetensors":
        return f"__import__('safetensors.torch').torch.load_file({str(path)!r})"
    keys = "".join(f"[{key!r}]" for key in place.split(".") if key)
    return f"torch.load({str(path)!r}, map_location='cpu', weights_only=True){keys}"


def command_of(code: str) -> str:
    """A program of one line as it is pasted into a shell."""
    plain = not set('"$`\\!') & set(code)
    return f'python -c "{code}"' if plain else f"python -c {shlex.quote(code)}"
