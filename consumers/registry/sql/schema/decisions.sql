-- Proposals that a case and a rescue are about one person, the decisions on them, and what follows
-- from those that hold. Derived from the topics.

CREATE TABLE registry.proposal (
    proposal_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    open boolean NOT NULL,
    case_unit text NOT NULL,
    case_id text NOT NULL,
    victim_id text NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    kind text,
    model text,
    probability double precision,
    rank integer,
    band text,
    evidence jsonb,
    new_evidence jsonb DEFAULT '[]'
);
CREATE INDEX proposal_rescue ON registry.proposal (rescue_unit, rescue_id);

-- Every decision with what became of it; the order of a partition decides between equals.
CREATE TABLE registry.decision (
    decision_id uuid PRIMARY KEY,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    proposal_id uuid NOT NULL,
    case_unit text NOT NULL,
    case_id text NOT NULL,
    victim_id text NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    proposal_revision bigint NOT NULL,
    previous bigint NOT NULL,
    revision bigint NOT NULL,
    verdict text NOT NULL,
    role text NOT NULL,
    unit text NOT NULL,
    reason text NOT NULL,
    note text,
    kind text NOT NULL,
    evidence jsonb NOT NULL,
    decided_at text,
    refused text,
    in_force boolean,
    last boolean,
    received_at timestamptz
);
CREATE INDEX decision_proposal ON registry.decision (proposal_id);

-- Confirmed pairs.
CREATE TABLE registry.link (
    proposal_id uuid PRIMARY KEY,
    decision_id uuid NOT NULL,
    case_unit text NOT NULL,
    case_id text NOT NULL,
    victim_id text NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL
);
CREATE INDEX link_case ON registry.link (case_unit, case_id);
CREATE INDEX link_rescue ON registry.link (rescue_unit, rescue_id);

-- The flag of basis `confirmed`, beside the reported one; or that the pair contradicts the case.
CREATE TABLE registry.confirmed_flag (
    proposal_id uuid PRIMARY KEY,
    unit text NOT NULL,
    case_id text NOT NULL,
    revision bigint NOT NULL,
    digest text COLLATE "C" NOT NULL,
    rescue_unit text NOT NULL,
    rescue_id text NOT NULL,
    rescue_revision bigint NOT NULL,
    contradicts boolean NOT NULL,
    source text,
    destination text,
    source_unit text,
    destination_unit text,
    boundary text,
    at_least text,
    told jsonb
);
