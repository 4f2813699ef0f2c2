-- The demo's tables in Postgres: types, keys and comments as an insurer's own database has them.
CREATE SCHEMA crm;
CREATE TABLE crm.customer (
    customer_id       bigint PRIMARY KEY,
    name              text NOT NULL,
    email             text,
    phone             text,
    birth_date        date NOT NULL,
    region            text NOT NULL,
    country           text NOT NULL,
    city              text NOT NULL,
    segment           text NOT NULL,
    marketing_consent boolean,
    lifetime_value    numeric(12, 2) NOT NULL,
    created_at        timestamptz NOT NULL
);
CREATE TABLE public.broker (
    broker_id  integer PRIMARY KEY,
    name       text NOT NULL,
    region     text NOT NULL,
    commission numeric(5, 4) NOT NULL
);
CREATE TABLE public.policy (
    policy_id    bigint PRIMARY KEY,
    policy_no    text NOT NULL UNIQUE,
    customer_id  bigint NOT NULL REFERENCES crm.customer,
    broker_id    integer REFERENCES public.broker,
    product_line text NOT NULL,
    premium      numeric(10, 2) NOT NULL,
    sum_insured  numeric(14, 2) NOT NULL,
    deductible   numeric(8, 2) NOT NULL,
    start_date   date NOT NULL,
    end_date     date,
    status       text NOT NULL,
    issued_at    timestamptz NOT NULL
);
COMMENT ON TABLE crm.customer IS 'Everyone who holds or held a policy';
COMMENT ON COLUMN crm.customer.email IS 'As given by the customer; not verified';
COMMENT ON COLUMN crm.customer.marketing_consent IS 'NULL: never asked';
COMMENT ON COLUMN crm.customer.lifetime_value IS 'Premiums less claims, in the customer''s currency';
COMMENT ON TABLE public.broker IS 'Who sold the policy';
COMMENT ON COLUMN public.broker.commission IS 'Share of the premium';
COMMENT ON TABLE public.policy IS 'Every policy ever issued';
COMMENT ON COLUMN public.policy.end_date IS 'NULL: runs until it is cancelled';
COMMENT ON COLUMN public.policy.broker_id IS 'NULL: sold direct';
