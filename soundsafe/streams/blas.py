"""One thread for products of matrices: ours are small, and BLAS threads wait for each other longer than they
work."""

from __future__ import annotations

import contextlib
import threading

from threadpoolctl import ThreadpoolController

__all__ = ["one_blas_thread"]


class _OneThread(contextlib.ContextDecorator):
    """One BLAS thread while any call works. Their number is the process's: the second of two calls that
    overlap would otherwise find the first one's limit, and restore that for good."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._calls == 0:
                self._blas = ThreadpoolController().select(user_api="blas")
                self._limit = self._blas.limit(limits=1)
                self._let_others()
            self._calls += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._calls -= 1
            if self._calls == 0:
                self._limit.restore_original_limits()
                self._let_others()

    def _let_others(self) -> None:
        # threadpoolctl obeys no other thread than the one that set a number, until a context of that ends.
        with self._blas.limit(limits=None):
            pass


one_blas_thread = _OneThread()
"""A decorator of calls."""
