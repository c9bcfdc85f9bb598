# SPDX-License-Identifier: Apache-2.0
"""The two lists of mutants that are kept by hand.

catalogue.txt has faults of the allocator that no change of a single token makes:

    purge_first_only  address_space_impl.hpp
      A purge frees the first area only.
      - while (Node* const area = lazy_.outermost(Side::left)) {
      + if (Node* const area = lazy_.outermost(Side::left)) {

Lines with `-` give way to the lines with `+` behind them; a fault may have several such edits. Lines of the source are
told without their indentation, and so many of them that they are there once: so an edit beside them breaks nothing.

equivalent.txt has systematic mutants that are no fault, below the reason:

    classify() is the same with its arguments exchanged
      f09b1a2c3d  free_space.hpp, carve: switch (classify(placement, block.range)) {

The id is made of the text of the mutant and of the line that it changes, so that it stays when lines move; what follows
is for the reader, and must be true, too.
"""

import os
import re

from mutants import Mutant
from processes import WrongList

CATALOGUE = "catalogue"  # instead of the operator that makes a systematic mutant


def lines_of(path):
    """(PATH:NUMBER, line) of those that are neither empty nor a comment."""
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                yield f"{path}:{number}", line.rstrip()


def read_catalogue(path, sources):
    """Mutants whose id is their name, `function` what they break and `changes` None where they do not apply."""
    entries = []
    for where, line in lines_of(path):
        text = line.strip()
        if match := re.fullmatch(r"(\w+)  (\w+\.[hc]pp)", line):
            entries.append([*match.groups(), "", []])
        elif not entries or not line.startswith("  "):
            raise WrongList(f"{where}: expected NAME  FILE, and below it what it breaks and edits")
        elif text[:2] in ("- ", "+ "):
            edits = entries[-1][3]
            if text[0] == "-" and (not edits or edits[-1][1]):
                edits.append(([], []))
            edits[-1]["-+".index(text[0])].append(text[2:])
        else:
            entries[-1][2] += (" " if entries[-1][2] else "") + text
    return [mutant_of(name, file, breaks, edits, sources) for name, file, breaks, edits in entries]


def mutant_of(name, file, breaks, edits, sources):
    path = next((path for path in sources.texts if os.path.basename(path) == file), file)
    text = sources.texts.get(path, "")
    places = [places_of(before, text) for before, _ in edits]
    if not edits or any(len(found) != 1 for found in places):
        return Mutant(name, CATALOGUE, path, breaks, 0, "", "", 1, None, None)
    changes = tuple((*found[0], "\n".join(after)) for found, (_, after) in zip(places, edits))
    inside = (b for b in sources.bodies[path] if b and all(b.begin < begin and end < b.end for begin, end, _ in changes))
    line = text.count("\n", 0, changes[0][0]) + 1
    return Mutant(name, CATALOGUE, path, breaks, line, "", "", 1, changes, next(inside, None))


def places_of(lines, text):
    """Where these lines follow each other: (begin, end)."""
    pattern = r"\n[ \t]*".join(re.escape(line) for line in lines)
    return [match.span(1) for match in re.finditer(rf"^[ \t]*({pattern})$", text, re.M)]


def read_proofs(path):
    """{id: (where it is written, the mutant as it is described there, why it is no fault)}"""
    proofs, because, entries = {}, "", 0
    for where, line in lines_of(path):
        text = line.strip()
        if not line[0].isspace():
            because, entries = (text, 0) if entries else (f"{because} {text}".strip(), 0)
            continue
        match = re.fullmatch(r"([0-9a-f]{10})  (\S.*)", text)
        if not match or not because or match[1] in proofs:
            raise WrongList(f"{where}: expected a reason, and below it ID  FILE, FUNCTION: MUTANT, each once")
        proofs[match[1]] = (where, match[2], because)
        entries += 1
    if because and not entries:
        raise WrongList(f"{path}: a reason without entries: {because}")
    return proofs


def describe(mutant):
    """Where it is and what it is, in one line."""
    if mutant.operator == CATALOGUE:
        return mutant.function
    change = mutant.mutated if mutant.mutated != ";" else f"without {mutant.original}"
    return f"{os.path.basename(mutant.file)}, {mutant.function}: {change}"


def check_proofs(proofs, mutants):
    """Every entry must be a mutant, and that one."""
    there = {mutant.id: describe(mutant) for mutant in mutants}
    for name, (where, described, _) in proofs.items():
        if there.get(name) != described:
            raise WrongList(f"{where}: no longer true: there is no such mutant: {name}  {described}")
