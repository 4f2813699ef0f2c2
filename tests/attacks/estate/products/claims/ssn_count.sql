SELECT count(ssn_zqhid) AS known, count(DISTINCT ssn_zqhid) AS different, max(ssn_zqhid) AS most FROM lake.claim
