# SPDX-License-Identifier: Apache-2.0
"""What the command needs to know from its environment."""

from services_demo.configuration import BrokerUrl, DatabaseUrl, ServiceSettings


class TableSettings(ServiceSettings):
    """Where the table is: all that looking and dropping need."""

    crm_database_url: DatabaseUrl


class ReplaySettings(TableSettings):
    """Where the broker is, too."""

    amqp_url: BrokerUrl
