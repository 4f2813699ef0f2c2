SELECT zqhid_nothing FROM lake.zqdark_secret
