SELECT customer_id, name FROM desk.person
