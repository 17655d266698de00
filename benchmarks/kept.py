"""Results that a benchmark keeps while it runs, so that it can go on where it was stopped."""

import hashlib
import json
from pathlib import Path


def require_same(folder: Path, told: dict[str, object]) -> None:
    """Makes the folder and notes in it what its results are of; one with results of anything else is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / "results_of.json"
    if not note.exists():
        note.write_text(json.dumps(told, indent=1))
    elif (before := json.loads(note.read_text())) != told:
        raise SystemExit(f"{folder} holds results of {before}, not of {told}. Choose another --out, or delete it.")


def digest_of(*files: Path) -> str:
    """Of the content of files."""
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()
