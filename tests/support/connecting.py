"""How tests connect with an interceptor."""

from collections.abc import Awaitable, Callable

from temporalio.client import Client, Interceptor

Connect = Callable[[Interceptor], Awaitable[Client]]
