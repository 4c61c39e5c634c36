# SPDX-License-Identifier: Apache-2.0
"""
Clients of RabbitMQ: what becomes of each message, from its publishing until it is settled.

`pika` and `aio_pika` know their library and nothing else; what is recorded, and how, is the same
for both: `publishing`, `consuming`, `state`.
"""
