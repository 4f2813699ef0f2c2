SELECT customer_id, region, name, email, birth, note_zqhid AS extra FROM desk.person
