"""Filter patterns for JSON log events: CloudWatch Logs User Guide, "Filter pattern syntax for metric filters".

A pattern that this file does not understand is refused, so that a filter never counts nothing in silence. Patterns for
unstructured and for space-delimited log events, and regular expressions, are refused for that reason.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any, NoReturn

# CloudWatch Logs API Reference, PutMetricFilter.
MAX_LENGTH = 1024

Json = Any
Condition = Callable[[Json], bool]

MISSING = object()
"""The value of a selector that selects nothing."""

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<selector>\$(?:\.[A-Za-z0-9_-]+|\[\d+\]|\["[^"]*"\])+)
      | (?P<text>"(?:[^"\\]|\\.)*")
      | (?P<operator>&&|\|\||!=|<=|>=|=|<|>|\(|\))
      | (?P<word>[A-Za-z0-9_\#@/;:.*+-]+)
    )""",
    re.VERBOSE,
)
_STEP = re.compile(r"""\.(?P<name>[A-Za-z0-9_-]+)|\[(?P<index>\d+)\]|\["(?P<quoted>[^"]*)"\]""")
_ORDERS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_STATES: dict[str, Json] = {"TRUE": True, "FALSE": False, "NULL": None}


class NotUnderstood(Exception):
    """The pattern or the selector is not one that this file understands."""


def parse(pattern: str) -> Condition:
    """Whether a log event, read as JSON, matches the pattern."""
    text = pattern.strip()
    if len(pattern) > MAX_LENGTH:
        raise NotUnderstood(f"a pattern has at most {MAX_LENGTH} characters: {pattern}")
    if not (text.startswith("{") and text.endswith("}")):
        raise NotUnderstood(f"not a pattern for JSON: {pattern}")
    return _Parser(text[1:-1], pattern).parse()


def selector(text: str) -> Callable[[Json], Json]:
    """Selects a property of a log event. Without the property, the result is `MISSING`."""
    if not (found := _TOKEN.fullmatch(text)) or not found["selector"]:
        raise NotUnderstood(f"not a selector: {text}")
    steps: list[str | int] = []
    for step in _STEP.finditer(text):
        steps.append(int(step["index"]) if step["index"] else step["name"] or step["quoted"] or "")

    def select(event: Json) -> Json:
        for step in steps:
            is_there = isinstance(event, dict) and step in event
            if isinstance(step, int):
                is_there = isinstance(event, list) and step < len(event)
            if not is_there:
                return MISSING
            event = event[step]
        return event

    return select


def number(value: Json) -> float | None:
    """The number that a JSON value is. A truth value is not one, and neither is a text of digits."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Parser:
    """Recursive descent: `||` binds less than `&&`, and parentheses group."""

    def __init__(self, inside: str, pattern: str) -> None:
        self._pattern = pattern
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while inside[at:].strip():
            found = _TOKEN.match(inside, at)
            if not found or not found.lastgroup:
                self._refuse(inside[at:].strip())
            self._tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def parse(self) -> Condition:
        condition = self._alternatives()
        if self._tokens:
            self._refuse(self._tokens[0][1])
        return condition

    def _alternatives(self) -> Condition:
        conditions = [self._conjunction()]
        while self._skip("||"):
            conditions.append(self._conjunction())
        return lambda event: any(condition(event) for condition in conditions)

    def _conjunction(self) -> Condition:
        conditions = [self._condition()]
        while self._skip("&&"):
            conditions.append(self._condition())
        return lambda event: all(condition(event) for condition in conditions)

    def _condition(self) -> Condition:
        if self._skip("("):
            inside = self._alternatives()
            if not self._skip(")"):
                self._refuse("no closing parenthesis")
            return inside
        kind, text = self._next()
        if kind != "selector":
            self._refuse(text)
        return self._comparison(selector(text))

    def _comparison(self, select: Callable[[Json], Json]) -> Condition:
        kind, text = self._next()
        if (kind, text) == ("word", "NOT") and self._next() == ("word", "EXISTS"):
            return lambda event: select(event) is MISSING
        if (kind, text) == ("word", "IS"):
            _, state = self._next()
            if state not in _STATES:
                self._refuse(state)
            return lambda event: select(event) is _STATES[state]
        if kind != "operator":
            self._refuse(text)
        return self._compared(select, text, *self._next())

    def _compared(self, select: Callable[[Json], Json], compared: str, kind: str, text: str) -> Condition:
        limit = _as_number(text) if kind == "word" else None
        if compared in _ORDERS:
            order = _ORDERS[compared]
            if limit is None:
                self._refuse(f"{compared} {text}")
            bound = limit
            return lambda event: (found := number(select(event))) is not None and bool(order(found, bound))
        if compared not in ("=", "!=") or kind not in ("word", "text"):
            self._refuse(f"{compared} {text}")
        equals = _equality(kind, text, limit)

        def condition(event: Json) -> bool:
            found = select(event)
            # A property that is missing, or null, is neither equal nor different.
            return found is not MISSING and found is not None and equals(found) == (compared == "=")

        return condition

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            self._refuse("its end")
        return self._tokens.pop(0)

    def _skip(self, text: str) -> bool:
        is_next = bool(self._tokens) and self._tokens[0] == ("operator", text)
        if is_next:
            self._tokens.pop(0)
        return is_next

    def _refuse(self, at: str) -> NoReturn:
        raise NotUnderstood(f"not understood at {at!r}: {self._pattern}")


def _equality(kind: str, text: str, limit: float | None) -> Condition:
    """Equality with a number, or with a text in which `*` stands for any characters.

    A quoted text is never equal to a number. `*` without quotes is equal to every value.
    """
    if limit is not None:
        return lambda found: number(found) == limit
    if text == "*":
        return lambda _found: True
    plain = re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "text" else text
    wanted = re.compile(".*".join(map(re.escape, plain.split("*"))), re.DOTALL)
    return lambda found: isinstance(found, str) and wanted.fullmatch(found) is not None


def _as_number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) else None
