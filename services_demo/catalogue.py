# SPDX-License-Identifier: Apache-2.0
"""
The company's own metrics: what only its business code and databases can know.

Gauges about orders, outboxes and sessions are read from the databases, so that they tell
the truth even when every process has died with its counters.
"""

from otel_setup.catalogue.model import SECONDS_TO_AN_HOUR, Counter, Gauge, Histogram

_MATERIAL = "jewellery material; 4 values"
_ERROR_TYPE = "code of the error as the client sees it, or a class of exception; about 10 values"

ORDERS_CREATED = Counter(
    name="shop.orders.created",
    unit="{order}",
    description="Orders that customers placed.",
    why="The company lives on it: a drop means lost money before anybody complains.",
    attributes={"material": _MATERIAL},
)

ORDER_ERRORS = Counter(
    name="shop.order.errors",
    unit="{error}",
    description="Orders that a customer tried to place and did not get.",
    why="Tells broken ordering from quiet hours, and whose fault it is.",
    attributes={"error.type": _ERROR_TYPE},
)

MODEL_CPU_TIME = Counter(
    name="shop.model.cpu.time",
    unit="s",
    description="CPU time spent on the meshes of 3D models.",
    why="Uploads and the 3D editor are what loads the Shop; this says which of them.",
    attributes={
        "shop.model.operation": "upload, or the operation of the 3D editor: scale, rotate, "
        "thicken, smooth; 5 values"
    },
)

SHOP_ORDERS = Gauge(
    name="shop.orders",
    unit="{order}",
    description="Orders in the Shop's database.",
    why="Every order that was placed is in exactly one state: none can vanish unseen.",
    attributes={"order.state": "state as customers see it; 10 values"},
)

SHOP_SESSIONS = Gauge(
    name="shop.sessions",
    unit="{session}",
    description="Customers' sessions that have not expired.",
    why="Shows how busy the Shop is and whether a surge is people or one client.",
)

SHOP_OUTBOX_UNSENT = Gauge(
    name="shop.outbox.unsent",
    unit="{message}",
    description="Events of the Shop that the broker has not confirmed yet.",
    why="Orders waiting here are unknown to the MES: the loss that started all this.",
)

SHOP_OUTBOX_AGE = Gauge(
    name="shop.outbox.oldest_unsent.age",
    unit="s",
    description="Age of the oldest event of the Shop that the broker has not confirmed; 0 if none.",
    why="Tells a short burst from a relay or broker that is down.",
)

PRICE_DURATION = Histogram(
    name="mes.price_calculation.duration",
    unit="s",
    buckets=SECONDS_TO_AN_HOUR,
    description="Time that a price calculation waited for a free process, and computed.",
    why="Customers and operators wait for the price; waiting asks for more processes, "
    "computing for simpler models.",
    attributes={"phase": "waiting or computing; 2 values"},
)

PRICE_CALCULATIONS = Counter(
    name="mes.price_calculations",
    unit="{calculation}",
    description="Price calculations that ended.",
    why="An order without a price stops here; the error type says where to look.",
    attributes={
        "outcome": "ok or error; 2 values",
        "error.type": "CannotPrice, ModelUnavailable, ProcessDied or an exception's class; absent "
        "when ok; about 5 values",
    },
)

PRICE_TASKS = Gauge(
    name="mes.price_calculation.tasks",
    unit="{task}",
    description="Price calculations that wait or are being computed.",
    why="A growing queue means that pricing is saturated.",
    attributes={"state": "queued or running; 2 values"},
)

PRICE_CAPACITY = Gauge(
    name="mes.price_calculation.capacity",
    unit="{process}",
    description="Processes that compute prices.",
    why="Running tasks divided by this is the saturation of pricing.",
)

MES_TRANSITIONS = Counter(
    name="mes.order.transitions",
    unit="{transition}",
    description="Changes of an order's state in the MES.",
    why="Shows the flow through manufacturing and where it stops.",
    attributes={
        "from": "state before; 10 values",
        "to": "state after; 10 values, of which 21 pairs are legal",
    },
)

MES_TRANSITION_ERRORS = Counter(
    name="mes.order.transition.errors",
    unit="{error}",
    description="Changes of an order's state that operators asked for and did not get.",
    why="Operators fail to set statuses and orders hang; the reason says why.",
    attributes={
        "from": "state of the order; 10 values",
        "to": "state that was asked for; 10 values",
        "reason": "illegal_transition or claimed_by_another; 2 values",
    },
)

MES_ORDERS = Gauge(
    name="mes.orders",
    unit="{order}",
    description="Orders in the database of the MES.",
    why="Compared with the Shop's it shows orders that never arrived, and where the others are.",
    attributes={"order.state": "state in manufacturing; 10 values"},
)

MES_SESSIONS = Gauge(
    name="mes.sessions",
    unit="{session}",
    description="Operators' sessions that have not expired.",
    why="No operators means that nothing is made.",
)

MES_OUTBOX_UNSENT = Gauge(
    name="mes.outbox.unsent",
    unit="{message}",
    description="Events of the MES that the broker has not confirmed yet.",
    why="Prices and finished orders waiting here are unknown to the customer.",
)

MES_OUTBOX_AGE = Gauge(
    name="mes.outbox.oldest_unsent.age",
    unit="s",
    description="Age of the oldest event of the MES that the broker has not confirmed; 0 if none.",
    why="Tells a short burst from a relay or broker that is down.",
)

NOTIFICATIONS_SENT = Counter(
    name="crm.notifications.sent",
    unit="{notification}",
    description="Notifications written to customers.",
    why="A finished order without its notification is an unhappy customer.",
    attributes={
        "kind": "what the customer is told: priced, pricing_failed, finished, shipped, "
        "cancelled, rejected; 6 values"
    },
)
