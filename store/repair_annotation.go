package store

// fixAnnotations deletes annotations of messages that are nowhere, not even among those that
// can be brought back. It comes after the messages are repaired.
func (f *fixer) fixAnnotations() error {
	k := &checker{c: f.c}
	if err := k.readHeldIDs(); err != nil {
		return err
	}
	ids, err := f.rows("SELECT DISTINCT message_id FROM annotation WHERE message_id NOT IN (SELECT id FROM message)")
	if err != nil {
		return err
	}
	lost := 0
	for _, r := range ids {
		if k.heldIDs[MessageID(r[0])] {
			continue
		}
		if err := f.c.ExecInts("DELETE FROM annotation WHERE message_id=?", r[0]); err != nil {
			return err
		}
		lost++
	}
	if lost > 0 {
		f.r.fixed("rows", "%d messages that do not exist had annotations: deleted", lost)
	}
	return nil
}

// fixAnnotationTotals counts the annotations.
func (f *fixer) fixAnnotationTotals() error {
	have, err := f.rows("SELECT annotations, annotation_size FROM account WHERE id=1")
	if err != nil {
		return err
	}
	want, err := f.rows("SELECT count(*), coalesce(sum(length(name)+coalesce(length(value), 0)), 0) FROM annotation")
	if err != nil || want[0] == have[0] {
		return err
	}
	if err := f.c.ExecInts("UPDATE account SET annotations=?, annotation_size=? WHERE id=1", want[0][0], want[0][1]); err != nil {
		return err
	}
	f.r.fixed("counts", "there are %d annotations of %d bytes, noted were %d of %d", want[0][0], want[0][1], have[0][0], have[0][1])
	return nil
}
