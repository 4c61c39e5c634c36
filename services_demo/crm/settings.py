# SPDX-License-Identifier: Apache-2.0
"""What the CRM needs to know from its environment."""

from services_demo.configuration import BrokerUrl, DatabaseUrl, ServiceSettings


class CrmSettings(ServiceSettings):
    """The CRM API's variables."""

    crm_database_url: DatabaseUrl


class CrmWorkerSettings(CrmSettings):
    """The CRM worker's variables."""

    amqp_url: BrokerUrl
