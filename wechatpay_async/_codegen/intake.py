"""Takes in a new catalogue and says what it added, changed and took away."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .facts_store import FACTS, Fact, identity, read_facts, read_lines, write_facts

__all__ = ["Difference", "compare", "difference", "take_in"]

OPERATIONS, EVENTS = "operations.jsonl", "events.jsonl"


@dataclass(frozen=True)
class Difference:
    """What sets a new catalogue apart from the stored one, by operation and notification."""

    added: list[str]
    changed: dict[str, list[str]]
    gone: list[str]

    def report(self) -> str:
        """One line each: `+` added, `~` changed with the parts that changed, `-` gone."""
        lines = [f"+ {name}" for name in self.added]
        lines += [f"~ {name}: {', '.join(parts)}" for name, parts in self.changed.items()]
        lines += [f"- {name}" for name in self.gone]
        lines.append(f"{len(self.added)} added, {len(self.changed)} changed, {len(self.gone)} gone")
        return "\n".join(lines)


def compare(source: Path, folder: Path = FACTS) -> Difference:
    """What the `operations.jsonl` and `events.jsonl` of a folder would change in the stored facts."""
    before = [fact for facts in read_facts(folder).values() for fact in facts]
    return difference(before, [*read_lines(source / OPERATIONS), *read_lines(source / EVENTS)])


def take_in(source: Path, folder: Path = FACTS) -> Difference:
    """Replace the stored facts by those of a folder; returns what that changed."""
    changes = compare(source, folder)
    write_facts(read_lines(source / OPERATIONS), read_lines(source / EVENTS), folder)
    return changes


def difference(before: list[Fact], after: list[Fact]) -> Difference:
    """Compare two catalogues."""
    old, new = {identity(fact): fact for fact in before}, {identity(fact): fact for fact in after}
    return Difference(
        added=sorted(new.keys() - old.keys()),
        changed={name: _changed_parts(old[name], new[name]) for name in sorted(old.keys() & new.keys()) if old[name] != new[name]},
        gone=sorted(old.keys() - new.keys()),
    )


def _changed_parts(old: Fact, new: Fact) -> list[str]:
    return sorted(part for part in old.keys() | new.keys() if old.get(part) != new.get(part))
