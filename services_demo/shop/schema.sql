-- SPDX-License-Identifier: Apache-2.0
-- The Shop's database. Applied once per content, under a lock; every statement can be repeated.

CREATE TABLE IF NOT EXISTS customer (
    customer_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE,
    name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS session (
    token_hash bytea PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer,
    expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS session_expires_at ON session (expires_at);

CREATE TABLE IF NOT EXISTS model (
    model_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer,
    parent_id uuid REFERENCES model,  -- the model that was edited to get this one
    filename text NOT NULL,
    format text NOT NULL,
    size_bytes bigint NOT NULL,
    triangles integer NOT NULL,
    volume_mm3 double precision NOT NULL,
    watertight boolean NOT NULL,
    sha256 text NOT NULL,
    object_key text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS customer_order (
    order_id uuid PRIMARY KEY,
    customer_id uuid NOT NULL REFERENCES customer,
    model_id uuid NOT NULL REFERENCES model,
    material text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    state text NOT NULL,
    price_cents bigint,
    currency text,
    priced_at timestamptz,  -- when the MES priced it: a late message must not replace a newer price
    failure text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS customer_order_of_customer ON customer_order (customer_id, created_at);
CREATE INDEX IF NOT EXISTS customer_order_state ON customer_order (state);

CREATE TABLE IF NOT EXISTS outbox (
    id bigserial PRIMARY KEY,
    message_id uuid NOT NULL UNIQUE,
    routing_key text NOT NULL,
    body text NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',  -- the trace that caused it
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE INDEX IF NOT EXISTS outbox_unsent ON outbox (id) WHERE sent_at IS NULL;

CREATE OR REPLACE FUNCTION notify_channel() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify(TG_ARGV[0], ''); RETURN NULL; END $$;

CREATE OR REPLACE TRIGGER outbox_wakes_relay AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('outbox');

CREATE TABLE IF NOT EXISTS inbox (
    message_id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);
