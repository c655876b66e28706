"""A hook that posts the ends of reviews to a web address. WEBHOOK_URL names it.

It is a coroutine: one that takes longer than five seconds is cancelled.
"""

import asyncio
import json
import os
import urllib.error
import urllib.request

from account_reviews.hooks import HookEvent, HookName


async def post(event: HookEvent) -> None:
    """`webhook:post`"""
    if event.name is not HookName.SESSION_END:
        return
    report = {"account": event.account_id, "outcome": event.outcome, "anomalies": event.anomalies}
    request = urllib.request.Request(
        os.environ["WEBHOOK_URL"],
        data=json.dumps(report).encode(),
        headers={"Content-Type": "application/json"},
    )
    await asyncio.to_thread(_send, request)


def _send(request: urllib.request.Request) -> None:
    try:
        with urllib.request.urlopen(request, timeout=4):
            pass
    except urllib.error.HTTPError as refusal:
        refusal.close()  # it holds the connection open
        raise
