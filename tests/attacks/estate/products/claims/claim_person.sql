SELECT c.claim_id, c.amount, p.name, p.email, p.birth, p.extra FROM lake.claim c JOIN crm.person p USING (customer_id)
