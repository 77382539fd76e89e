"""What load settings must be, and the threads they mean, for every backend."""

from __future__ import annotations

import os

from engine.errors import BadInput
from engine.protocol import LoadSettings

MAX_CTX_TOKENS = 1 << 22
MAX_THREADS = 1024


def check_settings(settings: LoadSettings) -> None:
    """Raise BadInput for a context or a number of threads that cannot be."""
    if settings.n_ctx is not None and not 1 <= settings.n_ctx <= MAX_CTX_TOKENS:
        raise BadInput(
            f"A context of {settings.n_ctx:,} tokens cannot be opened.",
            "Give a number from 1 on, or none for the model's own.",
        )
    if settings.threads is not None and not 1 <= settings.threads <= MAX_THREADS:
        raise BadInput(
            f"{settings.threads} threads make no sense.", f"Give a number from 1 to {MAX_THREADS}."
        )
    if settings.n_gpu_layers < -1:
        raise BadInput(
            f"{settings.n_gpu_layers} GPU layers make no sense.", "Give 0 or more, or -1 for all that can be."
        )


def compute_threads(settings: LoadSettings) -> int:
    """Threads to compute with: as asked, else all cores but one, which the window needs (a busy second
    thread on a shared core makes tokens many times slower)."""
    if settings.threads is not None:
        return settings.threads
    # not every system tells which cores this process may use
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)
