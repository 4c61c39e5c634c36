# SPDX-License-Identifier: Apache-2.0
"""A customer's 3D models: the rows that go with the files in the storage."""

from uuid import UUID

from pydantic import BaseModel

from services_demo.database import Connection
from services_demo.shop.facts import Facts, Format
from services_demo.web.errors import not_found


class Model(BaseModel):
    """A stored model."""

    model_id: UUID
    parent_id: UUID | None = None
    filename: str
    format: Format
    size_bytes: int
    triangles: int
    volume_mm3: float
    watertight: bool
    sha256: str

    @property
    def object_key(self) -> str:
        """Where the file lies in the bucket."""
        return f"{self.model_id}.{self.format}"


def describe(  # noqa: PLR0913 - a model is that many facts
    model_id: UUID,
    filename: str,
    kind: Format,
    facts: Facts,
    *,
    size: int,
    sha256: str,
    parent_id: UUID | None = None,
) -> Model:
    """Put together what is known about a new model."""
    return Model(
        model_id=model_id,
        parent_id=parent_id,
        filename=filename,
        format=kind,
        size_bytes=size,
        triangles=facts.triangles,
        volume_mm3=facts.volume_mm3,
        watertight=facts.watertight,
        sha256=sha256,
    )


def add(connection: Connection, customer_id: UUID, model: Model) -> None:
    """Give *model* to the customer; its file must be stored already."""
    connection.execute(
        "INSERT INTO model (model_id, customer_id, parent_id, filename, format, size_bytes,"
        " triangles, volume_mm3, watertight, sha256, object_key)"
        " VALUES (%(model_id)s, %(customer_id)s, %(parent_id)s, %(filename)s, %(format)s,"
        " %(size_bytes)s, %(triangles)s, %(volume_mm3)s, %(watertight)s, %(sha256)s, %(key)s)",
        {**model.model_dump(), "customer_id": customer_id, "key": model.object_key},
    )


def find(connection: Connection, customer_id: UUID, model_id: UUID) -> Model:
    """
    Return the customer's model.

    Raises:
        ApiError: 404, not there or somebody else's.
    """
    row = connection.execute(
        "SELECT model_id, parent_id, filename, format, size_bytes, triangles, volume_mm3,"
        " watertight, sha256 FROM model WHERE model_id = %s AND customer_id = %s",
        (model_id, customer_id),
    ).fetchone()
    if row is None:
        raise not_found("model", model_id, "POST /models uploads one; its answer has the model_id.")
    return Model(**row)
