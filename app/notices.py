"""What the window has to tell: notices without widgets. The view may come later; nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QObject, Signal

from engine.protocol import ErrorInfo

Severity = Literal["info", "warning", "error"]
NoticeAction = tuple[str, Callable[[], object]]  # the button's text, what it does
KEPT = 50


@dataclass(frozen=True, slots=True)
class NoticeItem:
    """One notice; ``actions`` become buttons (pressing one also dismisses the notice)."""

    key: int
    severity: Severity
    text: str
    hint: str = ""
    detail: str = ""
    actions: tuple[NoticeAction, ...] = ()

    def as_text(self) -> str:
        """Everything it says, for the clipboard."""
        return "\n\n".join(part for part in (self.text, self.hint, self.detail) if part)


class Notices(QObject):
    """The notices that are open, oldest first."""

    added = Signal(object)  # NoticeItem
    removed = Signal(int)  # key

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: dict[int, NoticeItem] = {}
        self._next_key = 1

    @property
    def items(self) -> tuple[NoticeItem, ...]:
        """The open notices, oldest first."""
        return tuple(self._items.values())

    def show(
        self,
        severity: Severity,
        text: str,
        hint: str = "",
        detail: str = "",
        actions: tuple[NoticeAction, ...] = (),
    ) -> int:
        """Open a notice and return its key. The same words again replace the open one."""
        for old in self.items:
            if (old.severity, old.text, old.hint, old.detail) == (severity, text, hint, detail):
                self.dismiss(old.key)
        item = NoticeItem(self._next_key, severity, text, hint, detail, tuple(actions))
        self._next_key += 1
        self._items[item.key] = item
        self.added.emit(item)
        if len(self._items) > KEPT:
            self.dismiss(next(iter(self._items)))
        return item.key

    def show_error(
        self, error: ErrorInfo, severity: Severity = "error", actions: tuple[NoticeAction, ...] = ()
    ) -> int:
        """Open a notice for an engine's error."""
        return self.show(severity, error.text, error.hint, error.detail, actions)

    def dismiss(self, key: int) -> None:
        """Close a notice; unknown keys are ignored (it may have faded already)."""
        if self._items.pop(key, None) is not None:
            self.removed.emit(key)
