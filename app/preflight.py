"""What must be there before Qt is started: Qt aborts the process without a word of advice."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Mapping

# Shared libraries and the Debian packages that bring them.
_ALWAYS = {"libGL.so.1": "libgl1", "libEGL.so.1": "libegl1", "libxkbcommon.so.0": "libxkbcommon0"}
_X11 = {
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
_NO_SCREEN = (
    "Strata needs a screen, and there is none here (neither DISPLAY nor WAYLAND_DISPLAY is set).\n"
    "Start it in a desktop session, or use the command line: strata --help"
)


def problem(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """Why no window can be opened here and what to do about it; '' when it can."""
    if not platform.startswith("linux"):
        return ""
    chosen = environment.get("QT_QPA_PLATFORM", "").split(":")[0]
    screen = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    if not chosen and not screen:
        return _NO_SCREEN
    wanted = dict(_ALWAYS)
    on_x11 = chosen == "xcb" or (not chosen and not environment.get("WAYLAND_DISPLAY"))
    if on_x11:
        wanted |= _X11
    missing = [package for library, package in wanted.items() if not _loads(library)]
    if missing:
        return (
            f"Strata's window needs system libraries that are not installed: {', '.join(missing)}.\n"
            f"Install them: sudo apt-get install {' '.join(missing)}"
        )
    if on_x11 and not _reaches_x11(environment.get("DISPLAY", "")):
        return (
            f"The screen DISPLAY={environment.get('DISPLAY', '')} cannot be reached.\n"
            "Start Strata in the desktop session itself, or use the command line: strata --help"
        )
    return ""


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _reaches_x11(display: str) -> bool:
    """Ask libxcb itself; where it is absent Qt would not have come this far."""
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connection_has_error.argtypes = [ctypes.c_void_p]
    xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(display.encode(), None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed
