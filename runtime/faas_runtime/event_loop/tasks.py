"""Results of the future, and coroutines that wait for them."""

import threading

from .loop import EventLoop, running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable
    from typing import Any, TypeVar

    T = TypeVar("T")


class Cancelled(BaseException):
    """A coroutine is asked to end."""


class Future:
    """A result that is not there yet. A coroutine waits for it with `await`."""

    __slots__ = ("_callbacks", "_error", "_is_done", "_loop", "_result")

    def __init__(self) -> None:
        self._loop = running_loop()
        self._is_done = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Any], object]] = []

    def done(self) -> bool:
        """Whether there is a result or an error."""
        return self._is_done

    def result(self) -> "Any":
        """The result; raises the error if there is one."""
        if self._error is not None:
            raise self._error
        return self._result

    @property
    def error(self) -> "BaseException | None":
        """The error, if there is one."""
        return self._error

    def set_result(self, result: object = None) -> None:
        """Set the result; only the first call counts."""
        self._set(result, None)

    def set_error(self, error: BaseException) -> None:
        """Set an error in place of a result."""
        self._set(None, error)

    def cancel(self) -> bool:
        """Let those who wait get `Cancelled`; returns whether there was no result yet."""
        if self._is_done:
            return False
        self._set(None, Cancelled())
        return True

    def add_done_callback(self, callback: "Callable[[Any], object]") -> None:
        """Call a function with this future when it is done."""
        if self._is_done:
            self._loop.call_soon(callback, self)
        else:
            self._callbacks.append(callback)

    def _set(self, result: object, error: "BaseException | None") -> None:
        if self._is_done:
            return
        self._is_done, self._result, self._error = True, result, error
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            self._loop.call_soon(callback, self)

    def __await__(self) -> "Generator[Future, None, Any]":
        if not self._is_done:
            yield self
        return self.result()


class Task(Future):
    """A coroutine that runs by itself; its result is that of the coroutine."""

    __slots__ = ("_coroutine", "_is_cancelled", "_waits_for")

    def __init__(self, coroutine: "Coroutine[Any, Any, Any]") -> None:
        super().__init__()
        self._coroutine = coroutine
        self._waits_for: Future | None = None
        self._is_cancelled = False
        self._loop.tasks.add(self)
        self._loop.call_soon(self._step)

    def cancel(self) -> bool:
        """Raise `Cancelled` where the coroutine waits."""
        if self._is_done:
            return False
        if self._waits_for is None or not self._waits_for.cancel():
            self._is_cancelled = True
        return True

    def _step(self, _waited_for: "Future | None" = None) -> None:
        """Run the coroutine until it waits for something."""
        self._waits_for = None
        try:
            if self._is_cancelled:
                self._is_cancelled = False
                future = self._coroutine.throw(Cancelled())
            else:
                future = self._coroutine.send(None)
        except StopIteration as stop:
            self._end(stop.value, None)
        except (Exception, Cancelled) as error:
            self._end(None, error)
        else:
            self._waits_for = future
            future.add_done_callback(self._step)

    def _end(self, result: object, error: "BaseException | None") -> None:
        self._loop.tasks.discard(self)
        self._set(result, error)


def run_in_background(coroutine: "Coroutine[Any, Any, Any]") -> Task:
    """Run a coroutine that nobody waits for: an error of it is reported."""
    task = Task(coroutine)
    task.add_done_callback(_report_error)
    return task


def _report_error(task: Task) -> None:
    if isinstance(task.error, Exception):
        running_loop().report("an error in the background", task.error)


def run(coroutine: "Coroutine[Any, Any, T]", loop: "EventLoop | None" = None) -> "T":
    """Run a coroutine in a loop of its own; returns its result. Other tasks are cancelled at the end."""
    loop = loop or EventLoop()
    started: list[Task] = []

    def start() -> None:
        started.append(Task(coroutine))
        started[0].add_done_callback(lambda task: loop.stop())

    def cancel_others() -> None:
        others = list(loop.tasks)
        for task in others:
            task.cancel()
        Task(wait(others)).add_done_callback(lambda task: loop.stop())

    try:
        for action in (start, cancel_others):
            loop.call_soon(action)
            loop.run()
        result: T = started[0].result()
        return result
    finally:
        loop.close()


async def sleep(seconds: float) -> None:
    """Wait for some time."""
    future = Future()
    timer = running_loop().call_later(seconds, future.set_result)
    try:
        await future
    finally:
        timer.cancel()


async def wait(futures: "Iterable[Future]", *, seconds: "float | None" = None, first_only: bool = False) -> None:
    """Wait until all futures are done, or the first one, but no longer than `seconds`. Raises none of their errors."""
    all_futures = list(futures)
    left = {future for future in all_futures if not future.done()}
    if not left or (first_only and len(left) < len(all_futures)):
        return
    changed = Future()

    def note(future: Future) -> None:
        left.discard(future)
        if first_only or not left:
            changed.set_result()

    for future in left:
        future.add_done_callback(note)
    timer = None if seconds is None else running_loop().call_later(seconds, changed.set_result)
    try:
        await changed
    finally:
        if timer is not None:
            timer.cancel()


async def run_in_thread(function: "Callable[..., T]", *arguments: object) -> "T":
    """Run a function in a thread of its own, and wait for its result."""
    loop, future = running_loop(), Future()

    def run_function() -> None:
        try:
            result = function(*arguments)
        except BaseException as error:
            loop.call_soon_threadsafe(future.set_error, error)
        else:
            loop.call_soon_threadsafe(future.set_result, result)

    threading.Thread(target=run_function, name="worker", daemon=True).start()
    found: T = await future
    return found
