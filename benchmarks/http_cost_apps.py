# SPDX-License-Identifier: Apache-2.0
"""The two apps that `http_cost` measures: a route with a parameter, and a small JSON answer."""

from __future__ import annotations

import os

from fastapi import FastAPI
from flask import Flask

fastapi_app = FastAPI()
flask_app = Flask("bench")


@fastapi_app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, int]:
    """Answer one item."""
    return {"id": item_id}


@fastapi_app.get("/pid")
async def read_pid() -> int:
    """Answer which process serves."""
    return os.getpid()


@flask_app.get("/items/<int:item_id>")
def item(item_id: int) -> dict[str, int]:
    """Answer one item."""
    return {"id": item_id}


@flask_app.get("/pid")
def pid() -> str:
    """Answer which process serves."""
    return str(os.getpid())
