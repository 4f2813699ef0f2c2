-- a product over a restricted table [ana sam dora] rows
SELECT * FROM claims.open_claim

-- a product over a product [ana sam dora] rows
SELECT * FROM claims.big_claim

-- a union product [ana sam dora] rows
SELECT era, region, count(*) AS n, min(claim_id) AS a FROM claims.every_claim GROUP BY ALL

-- a union product, one side filtered [ana] rows
SELECT * FROM claims.every_claim WHERE era = 'then' AND region <> 'EU'

-- a product over two domains [ana sam dora] rows
SELECT * FROM claims.claim_person

-- a product over another domain's product over Postgres [ana] rows
SELECT * FROM claims.claim_policy

-- another domain's product [ana sam] rows
SELECT * FROM crm.person

-- a product over an API [ana] rows
SELECT * FROM fraud.risky

-- a product over another domain's source [ana sam] rows
SELECT * FROM fraud.note_zq

-- an aggregate as its domain [ana sam dora] rows
SELECT * FROM claims.region_count

-- an aggregate as its domain over another's declassified product [ana dora] rows
SELECT * FROM claims.person_count

-- an aggregate as its domain without declassify [ana sam dora] rows
SELECT * FROM claims.contact_count

-- the federation's mask is not lifted by reads_as [ana dora] rows
SELECT * FROM claims.mail_count

-- the federation's rows and masks are not lifted by reads_as [finn] rows
SELECT * FROM claims.shared_masked

-- the federation's rows are not lifted by reads_as [finn] rows
SELECT * FROM claims.shared_count

-- nobody else is restricted there [dora] rows
SELECT * FROM claims.shared_masked

-- an explicit deny on a part [ana sam] denied
SELECT * FROM claims.denied_part

-- an explicit deny on a part, as its domain [ana] denied
SELECT n FROM claims.denied_count

-- the same without the deny [dora] rows
SELECT * FROM claims.denied_count

-- a product whose part one may not know of [ana dora] rows
SELECT * FROM claims.secret_part

-- a broken product tells nothing of its body [ana dora] denied
SELECT * FROM claims.broken

-- its parts by name for one who reads products only [dora] not found lake.claim
SELECT * FROM lake.claim

-- another domain's product for one who may not [dora] not found crm.person
SELECT * FROM crm.person

-- a product that is denied [ana] not found claims.shared_masked
SELECT * FROM claims.shared_masked

-- a product without access [finn] not found claims.open_claim
SELECT * FROM claims.open_claim

-- product and source joined [ana] rows
SELECT o.claim_id, c.region, o.ssn FROM claims.open_claim o JOIN lake.claim c USING (claim_id)

-- product against source to find what it hides [ana] rows
SELECT claim_id FROM claims.region_count r JOIN lake.claim c USING (region) EXCEPT SELECT claim_id FROM lake.claim

-- a version of a product [ana] rows
SELECT count(*) AS n FROM claims.open_claim o

-- columns that the product does not hand on [ana dora] error
SELECT token FROM claims.open_claim

-- an alias of the product's part [ana dora] error
SELECT c.ssn_zqhid FROM claims.claim_person

-- the product's WITH parts by name [ana] denied
SELECT * FROM claims.open_claim, lake_claim

-- filter that only hidden rows pass [ana dora] rows
SELECT * FROM claims.open_claim WHERE region = 'APAC' OR amount > 313000000

-- order and limit over a product [ana dora] rows, in order
SELECT claim_id, phone FROM claims.open_claim ORDER BY claim_id DESC LIMIT 4

-- a cast over a product [ana] rows
SELECT claim_id FROM claims.open_claim WHERE CAST(body AS INTEGER) IN (0, 1, 2, 3, 4, 5)

-- count over a product [ana sam dora aud] rows
SELECT count(*) AS n FROM claims.every_claim

-- window over a product [ana dora] rows
SELECT claim_id, row_number() OVER (ORDER BY claim_id) AS r FROM claims.open_claim

-- a product in a subquery [ana dora] rows
SELECT (SELECT count(*) FROM claims.open_claim) AS n

-- a product under EXISTS [ana] rows
SELECT EXISTS (SELECT 1 FROM claims.open_claim WHERE region = 'US') AS e

-- a product for eve [eve] not found claims.open_claim
SELECT * FROM claims.open_claim

-- everything for aud [aud] rows
SELECT * FROM claims.claim_person

-- the aggregate for aud [aud] rows
SELECT * FROM claims.ssn_count
