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
