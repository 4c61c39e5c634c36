# SPDX-License-Identifier: Apache-2.0
"""The Shop API: sign in, upload and edit models, order. Run it with uvicorn, several workers."""

import hashlib
import io
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import IO, Annotated, Any
from urllib.parse import quote
from uuid import UUID, uuid4

from botocore.exceptions import BotoCoreError, ClientError
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from otel_setup import instrument
from services_demo.bus.supervisor import configure_logging
from services_demo.catalogue import shop as catalogue
from services_demo.configuration import load
from services_demo.database import Pool, open_pool
from services_demo.messages import Material
from services_demo.shop import library, models, orders, sessions, uploads
from services_demo.shop.facts import Facts, Format
from services_demo.shop.failures import OrderRoute, expect_errors
from services_demo.shop.library import Model
from services_demo.shop.settings import ShopSettings
from services_demo.shop.storage import Storage
from services_demo.shop.workshop import Workshop
from services_demo.web.errors import ApiError, Line
from services_demo.web.fastapi_errors import answer_errors
from services_demo.web.pages import Page

log = logging.getLogger(__name__)
ORDERS_CREATED = instrument(catalogue.ORDERS_CREATED)


@dataclass(frozen=True, slots=True)
class Shop:
    """What the endpoints work with."""

    settings: ShopSettings
    pool: Pool
    storage: Storage
    workshop: Workshop


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect at the start, so that a bad configuration is seen there."""
    configure_logging()
    settings = load(ShopSettings)
    pool = await run_in_threadpool(open_pool, settings.shop_database_url, "services_demo.shop")
    storage = Storage(settings.s3_endpoint_url, settings.s3_bucket)
    try:
        await run_in_threadpool(storage.ensure_bucket)
    except (BotoCoreError, ClientError) as error:
        log.warning("storage unavailable, uploads fail until it is back: %s", error)
    app.state.shop = Shop(settings, pool, storage, Workshop())
    _expect_orders()
    yield
    pool.close()


app = FastAPI(title="Internet Shop", version="1", lifespan=lifespan)
answer_errors(app)


def the_shop(request: Request) -> Shop:
    """Return what the lifespan opened."""
    shop: Shop = request.app.state.shop
    return shop


TheShop = Annotated[Shop, Depends(the_shop)]
Authorization = Annotated[str | None, Header()]


def signed_in(shop: TheShop, authorization: Authorization = None) -> UUID:
    """Return the customer whose session it is; anybody else gets a 401."""
    with shop.pool.connection() as database:
        return sessions.customer_of(database, authorization)


Customer = Annotated[UUID, Depends(signed_in)]


@app.get("/healthz")
def healthz(shop: TheShop) -> dict[str, str]:
    """Say whether requests can be served."""
    with shop.pool.connection(timeout=2) as database:
        database.execute("SELECT 1")
    return {"status": "ok"}


@app.post("/sessions", status_code=201)
def sign_in(who: sessions.SignIn, shop: TheShop) -> sessions.Session:
    """Sign in, as a new customer or a known one."""
    with shop.pool.connection() as database:
        return sessions.sign_in(database, who, shop.settings.shop_session_hours)


@app.delete("/sessions", status_code=204)
def sign_out(shop: TheShop, authorization: Authorization = None) -> None:
    """End the session of the token."""
    with shop.pool.connection() as database:
        sessions.sign_out(database, authorization)


@app.post("/models", status_code=201)
async def upload(
    request: Request, filename: Annotated[Line, Query()], customer: Customer, shop: TheShop
) -> Model:
    """Upload an STL or OBJ file: the body is the file itself."""
    kind = _format_of(filename)
    with await uploads.receive(request, shop.settings.max_upload_bytes) as received:

        def measure() -> Facts:
            received.file.seek(0)
            return models.facts(models.read(received.file.read(), kind))

        facts = await shop.workshop.run("upload", measure)
        model = library.describe(
            uuid4(), filename, kind, facts, size=received.size, sha256=received.sha256
        )
        await run_in_threadpool(_store, shop, customer, model, received.file)
    return model


@app.get("/models/{model_id}")
def model_facts(model_id: UUID, customer: Customer, shop: TheShop) -> Model:
    """Tell what is known about a model."""
    with shop.pool.connection() as database:
        return library.find(database, customer, model_id)


@app.get("/models/{model_id}/content")
def model_content(model_id: UUID, customer: Customer, shop: TheShop) -> StreamingResponse:
    """Return the file of a model."""
    with shop.pool.connection() as database:
        model = library.find(database, customer, model_id)
    headers = {
        "Content-Length": str(model.size_bytes),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(model.filename, safe='')}",
    }
    pieces = shop.storage.stream(model.object_key)
    return StreamingResponse(pieces, media_type=f"model/{model.format}", headers=headers)


@app.post("/models/{model_id}/edits", status_code=201)
async def edit_model(model_id: UUID, edit: models.Edit, customer: Customer, shop: TheShop) -> Model:
    """Edit a model in the 3D editor; what comes out is a new model."""
    original = await run_in_threadpool(model_facts, model_id, customer, shop)
    content = await run_in_threadpool(shop.storage.get, original.object_key)
    content, facts = await shop.workshop.run(
        edit.operation, models.edited, content, original.format, edit
    )
    model = library.describe(
        uuid4(),
        original.filename,
        original.format,
        facts,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        parent_id=original.model_id,
    )
    await run_in_threadpool(_store, shop, customer, model, io.BytesIO(content))
    return model


# A route of its own, because only its failures count as orders that were lost.
ordering = APIRouter(route_class=OrderRoute)


@ordering.post("/orders", status_code=201)
def place_order(order: orders.NewOrder, customer: Customer, shop: TheShop) -> dict[str, str]:
    """Order a model."""
    with shop.pool.connection() as database:
        order_id = orders.place(database, customer, order)
    ORDERS_CREATED.add(1, {"material": order.material})
    return {"order_id": str(order_id), "state": "placed"}


app.include_router(ordering)


@app.get("/orders")
def list_orders(
    page: Annotated[Page, Query()], customer: Customer, shop: TheShop
) -> dict[str, Any]:
    """List own orders, newest first."""
    with shop.pool.connection() as database:
        return orders.page_of(database, customer, page)


@app.get("/orders/{order_id}")
def order(order_id: UUID, customer: Customer, shop: TheShop) -> dict[str, Any]:
    """Tell how far an order is."""
    with shop.pool.connection() as database:
        return orders.find(database, customer, order_id)


@app.post("/orders/{order_id}/approval")
def approve(order_id: UUID, customer: Customer, shop: TheShop) -> dict[str, Any]:
    """Accept the price."""
    with shop.pool.connection() as database:
        orders.approve(database, customer, order_id)
        return orders.find(database, customer, order_id)


@app.post("/orders/{order_id}/cancellation")
def cancel(order_id: UUID, customer: Customer, shop: TheShop) -> dict[str, Any]:
    """Give up an order."""
    with shop.pool.connection() as database:
        orders.cancel(database, customer, order_id)
        return orders.find(database, customer, order_id)


def _expect_orders() -> None:
    """Have orders and errors counted from 0 on, so that the first of each is seen as a rise."""
    for material in Material:
        ORDERS_CREATED.add(0, {"material": material})
    expect_errors()


def _format_of(filename: str) -> Format:
    try:
        return models.format_of(filename)
    except models.NotAModel as error:
        raise ApiError(422, "unknown_format", str(error)) from None


def _store(shop: Shop, customer: UUID, model: Model, file: IO[bytes]) -> None:
    """Store the file first: a file without a row harms nobody, a row without a file does."""
    shop.storage.put(model.object_key, file)
    with shop.pool.connection() as database:
        library.add(database, customer, model)
