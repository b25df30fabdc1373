"""Lanes: which of several intervals may lie on one line."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")


def packed(intervals: Mapping[Key, tuple[int, int]], apart: int) -> tuple[dict[Key, int], int]:
    """The lane of each interval, as few lanes as can be: those of one are ``apart``; and how many there are."""
    lanes: dict[Key, int] = {}
    ends: list[tuple[int, int]] = []
    count = 0
    for key, (low, high) in sorted(intervals.items(), key=lambda item: item[1]):
        if ends and ends[0][0] + apart <= low:
            lane = heapq.heappop(ends)[1]
        else:
            lane, count = count, count + 1
        lanes[key] = lane
        heapq.heappush(ends, (high, lane))
    return lanes, count
