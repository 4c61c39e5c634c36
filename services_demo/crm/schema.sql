-- SPDX-License-Identifier: Apache-2.0
-- The CRM's database. Applied once per content, under a lock; every statement can be repeated.

CREATE TABLE IF NOT EXISTS customer (
    customer_id uuid PRIMARY KEY,
    email text NOT NULL,
    name text NOT NULL,
    first_order_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS customer_order (
    order_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer,
    material text NOT NULL,
    quantity integer NOT NULL,
    state text NOT NULL,
    price_cents bigint,
    currency text,
    priced_at timestamptz,
    failure text,
    placed_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS customer_order_of_customer ON customer_order (customer_id, placed_at);
CREATE INDEX IF NOT EXISTS customer_order_state ON customer_order (state, placed_at);

CREATE TABLE IF NOT EXISTS notification (
    notification_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL REFERENCES customer_order,
    kind text NOT NULL,
    recipient text NOT NULL,
    subject text NOT NULL,
    body text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (order_id, kind)  -- nobody is told the same twice
);
CREATE INDEX IF NOT EXISTS notification_newest ON notification (created_at);

CREATE TABLE IF NOT EXISTS inbox (
    message_id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- Messages that no service could handle; services_demo.deadletters writes and reads it.
CREATE TABLE IF NOT EXISTS dead_letter (
    dead_letter_id bigserial PRIMARY KEY,
    fingerprint bytea UNIQUE,  -- of one death; a message without an id has none
    message_id text NOT NULL,
    event text NOT NULL,
    queue text NOT NULL,  -- where it died; empty if nobody says
    reason text NOT NULL,
    exchange text NOT NULL,
    routing_key text NOT NULL,
    deaths integer NOT NULL,
    first_died_at timestamptz,
    last_died_at timestamptz,
    replays integer NOT NULL,  -- how often it had been replayed when it died
    properties jsonb NOT NULL,
    headers jsonb NOT NULL,
    trace_context jsonb NOT NULL,
    trace_id text NOT NULL,
    body bytea NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'replayed', 'dropped')),
    handled_at timestamptz,
    because text  -- why it was dropped
);
CREATE INDEX IF NOT EXISTS dead_letter_waiting ON dead_letter (queue, reason)
    WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS dead_letter_trace ON dead_letter (trace_id);

-- How many were kept, replayed and dropped in all. A sum over rows would fall when old ones are
-- deleted, and a counter never falls.
CREATE TABLE IF NOT EXISTS dead_letter_count (
    queue text NOT NULL,
    reason text NOT NULL,
    action text NOT NULL,
    letters bigint NOT NULL,
    PRIMARY KEY (queue, reason, action)
);
