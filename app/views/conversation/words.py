"""An answer's states and figures in words."""

from __future__ import annotations

import re

from app.chat_record import Record
from app.chat_tree import Node
from engine.protocol import LEVELS

_MARKUP = re.compile(r"[|*_`#\[\]>~$]+|-{3,}")


def activity_words(node: Node) -> str:
    """What the engine does before the first word; '' once text shows or all is over."""
    if not node.running or node.text:
        return ""
    if node.state == "retrieving":
        n = len(node.record.hits)
        return f"reading {counted(n, 'passage')}" if n else (node.stage or "searching documents") + " …"
    if node.state == "streaming":
        return ""
    if node.progress is not None:
        return f"{node.stage or 'reading the conversation'}  {node.progress:.0%}"
    return (node.stage or "waiting for the model") + " …"


def notes(node: Node) -> list[str]:
    """What a reader should know of how the answer came about."""
    record, out = node.record, []
    if record.dropped_turns:
        size = f" (context {record.n_ctx:,})" if record.n_ctx else ""
        turns = "1 oldest turn" if record.dropped_turns == 1 else f"{record.dropped_turns} oldest turns"
        out.append(f"{turns} left the prompt{size}")
    out += gain_notes(node)
    if node.state == "stopped":
        cut_off = node.restored and record.timings is None
        out.append("broken off when Strata ended" if cut_off else "stopped by you")
    elif record.finish_reason == "length":
        out.append("cut at the length set under sampling")
    elif record.finish_reason == "context":
        out.append("cut: the context is full")
    return out


def gain_edits(node: Node) -> list[tuple[int, str]]:
    """For each gain edit in mid-answer the character from which it holds, and the new gains."""
    out = []
    tokens = node.record.tokens
    # A stored answer does not say what held before the first edit: levels as trained are left out.
    before = node.record.start_gains or (1.0,) * len(LEVELS)
    for mark in node.record.gain_marks:
        rows = list(zip(LEVELS, before, mark.gains, strict=False))
        edited = [row for row in rows if row[1] != row[2]] or rows
        changed = [f"{name} {gain:.2f}" for name, _, gain in edited]
        start = tokens[mark.index].start if mark.index < len(tokens) else len(node.text)
        out.append((start, ", ".join(changed)))
        before = mark.gains
    return out


def gain_notes(node: Node) -> list[str]:
    """The same as lines to read: 'from “the walls are …” on: domain 0.40'."""
    out = []
    for start, gains in gain_edits(node):
        words = " ".join(_MARKUP.sub(" ", node.text[start : start + 40]).split())
        out.append(f"from “{words}…” on: {gains}" if words else f"from here: {gains}")
    return out


def figures(record: Record, running: bool) -> str:
    """'48 tokens · 21.3 tok/s · first token 120 ms · 312 reused'."""
    timings = record.timings
    if timings is None:
        last = record.tokens[-1] if record.tokens and running else None
        if last is None:
            return ""
        return f"{counted(len(record.tokens), 'token')} · {last.tokens_per_second:.1f} tok/s"
    if not timings.generated_tokens:  # stopped before the first one: there is nothing to time
        return ""
    parts = [
        counted(timings.generated_tokens, "token"),
        f"{timings.tokens_per_second:.1f} tok/s",
        f"first token {_duration(timings.first_token_ms)}",
    ]
    if timings.reused_tokens:
        parts.append(f"{timings.reused_tokens:,} reused")
    return " · ".join(parts)


def figures_tip(record: Record) -> str:
    """The same figures spelt out."""
    timings = record.timings
    if timings is None:
        return ""
    return (
        f"Prompt {timings.prompt_tokens:,} tokens, {timings.reused_tokens:,} of them from the KV cache; "
        f"read in {_duration(timings.prefill_ms)}.\n"
        f"First token after {_duration(timings.first_token_ms)}, "
        f"{timings.generated_tokens:,} tokens in {_duration(timings.decode_ms)}."
    )


def counted(n: int, noun: str) -> str:
    """'1 token', '1,204 tokens'."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def _duration(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"
