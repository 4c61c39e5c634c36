-- SPDX-License-Identifier: Apache-2.0
-- The MES's database. Applied once per content, under a lock; every statement can be repeated.

CREATE TABLE IF NOT EXISTS operator_session (
    token_hash bytea PRIMARY KEY,
    operator text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS operator_session_expires_at ON operator_session (expires_at);

CREATE TABLE IF NOT EXISTS manufacturing_order (
    order_id uuid PRIMARY KEY,
    model_key text NOT NULL,
    model_format text NOT NULL,
    material text NOT NULL,
    quantity integer NOT NULL CHECK (quantity > 0),
    state text NOT NULL,
    price_cents bigint,
    currency text,
    failure text,
    operator text,
    placed_at timestamptz NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS manufacturing_order_list ON manufacturing_order (state, created_at);
CREATE INDEX IF NOT EXISTS manufacturing_order_newest ON manufacturing_order (created_at);

CREATE TABLE IF NOT EXISTS price_task (
    task_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    order_id uuid NOT NULL REFERENCES manufacturing_order,
    state text NOT NULL DEFAULT 'queued',  -- queued, running, done, failed, dropped
    attempt integer NOT NULL DEFAULT 0,
    deaths integer NOT NULL DEFAULT 0,  -- processes that died of it
    headers jsonb NOT NULL DEFAULT '{}',  -- the trace that asked for it
    queued_at timestamptz NOT NULL DEFAULT now(),
    not_before timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    lease_until timestamptz,
    worker text,
    finished_at timestamptz,
    failure text
);
-- One calculation at a time for an order.
CREATE UNIQUE INDEX IF NOT EXISTS price_task_open ON price_task (order_id)
    WHERE state IN ('queued', 'running');
CREATE INDEX IF NOT EXISTS price_task_next ON price_task (queued_at)
    WHERE state IN ('queued', 'running');

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

CREATE TABLE IF NOT EXISTS inbox (
    message_id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT now()
);

-- Which cause of a slow list somebody tries out (services_demo.mes.slow); a crash clears it.
CREATE UNLOGGED TABLE IF NOT EXISTS slow_list (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    cause text NOT NULL,
    ends_at timestamptz NOT NULL
);

CREATE OR REPLACE FUNCTION notify_channel() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify(TG_ARGV[0], ''); RETURN NULL; END $$;

CREATE OR REPLACE TRIGGER outbox_wakes_relay AFTER INSERT ON outbox
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('outbox');

CREATE OR REPLACE TRIGGER price_task_wakes_pricing AFTER INSERT ON price_task
    FOR EACH STATEMENT EXECUTE FUNCTION notify_channel('price_task');
