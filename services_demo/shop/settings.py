# SPDX-License-Identifier: Apache-2.0
"""What the Shop needs to know from its environment."""

from typing import Annotated

from pydantic import Field

from services_demo.configuration import (
    BrokerUrl,
    BucketName,
    DatabaseUrl,
    HttpUrl,
    ServiceSettings,
    SessionHours,
)


class ShopSettings(ServiceSettings):
    """The Shop API's variables; boto3 reads AWS_* itself."""

    shop_database_url: DatabaseUrl
    s3_endpoint_url: HttpUrl
    s3_bucket: BucketName = "models"
    shop_max_upload_mb: Annotated[float, Field(gt=0, le=1000)] = 50
    shop_session_hours: SessionHours = 12

    @property
    def max_upload_bytes(self) -> int:
        """The largest body of an upload."""
        return int(self.shop_max_upload_mb * 1_000_000)


class ShopWorkerSettings(ServiceSettings):
    """The Shop worker's variables."""

    shop_database_url: DatabaseUrl
    amqp_url: BrokerUrl
