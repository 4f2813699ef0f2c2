SELECT policy_id, customer_id, region, line, premium, email, born, holder_zqhid AS holder FROM policy_db.policy
