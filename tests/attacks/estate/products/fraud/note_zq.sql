SELECT note_id, claim_id FROM lake.note
