# SPDX-License-Identifier: Apache-2.0
"""What the MES needs to know from its environment."""

import socket
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


class MesSettings(ServiceSettings):
    """The MES API's variables."""

    mes_database_url: DatabaseUrl
    mes_session_hours: SessionHours = 12


class MesWorkerSettings(ServiceSettings):
    """The MES worker's variables; boto3 reads AWS_* itself."""

    mes_database_url: DatabaseUrl
    amqp_url: BrokerUrl
    s3_endpoint_url: HttpUrl
    s3_bucket: BucketName = "models"
    mes_pricing_processes: Annotated[int, Field(ge=1, le=64)] = 2
    # Two workers on one machine need two names: at its start a worker takes back what the
    # one of its name before it left half done.
    mes_worker_name: Annotated[str, Field(min_length=1, max_length=100)] = Field(
        default_factory=socket.gethostname
    )
