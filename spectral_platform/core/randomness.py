"""Derived randomness: every draw comes from a seed and the names of what it is for, never from the clock or an id."""

import hashlib
import random


def derive(seed: int | str, *purpose: object) -> int:
    """H(seed, purpose, …): 64 bits that are the same on every machine and differ for every purpose (BLAKE2b).

    Parts are told apart by their length, so that ("ab", "c") and ("a", "bc") differ.
    """
    parts = [str(part).encode() for part in (seed, *purpose)]
    named = b"".join([len(part).to_bytes(8, "big") + part for part in parts])
    return int.from_bytes(hashlib.blake2b(named, digest_size=8).digest(), "big")


def generator(seed: int | str, *purpose: object) -> random.Random:
    """A random generator of its own for one purpose."""
    return random.Random(derive(seed, *purpose))
