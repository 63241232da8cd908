package incident

import (
	"context"
	"fmt"
	"time"
)

// RestoreLost appends the events again that the record had lost, each with the
// number it had, and says that the history is repaired. That is possible only while
// nobody has decided anything on what was left: a lost event behind a newer
// decision would say of the present what was so before.
func RestoreLost(ctx context.Context, b *Book, id ID, actor string, via *Via, at time.Time, reason string) error {
	_, err := b.Decide(ctx, id, func(s *State) (Write, error) {
		d := s.Diverged
		if d == nil {
			return Write{}, fmt.Errorf("the history of %s is whole: there is nothing to restore", id.Name())
		}
		if why := Unrestorable(d); why != nil {
			return Write{}, why
		}
		var w Write
		for _, raw := range d.Lost {
			var e Event
			if err := e.UnmarshalJSON(raw); err != nil {
				return Write{}, err
			}
			e.Restored, e.raw = e.Seq, nil
			w.Events = append(w.Events, e)
		}
		w.Events = append(w.Events, Event{Time: at, Actor: actor, Via: via, Body: HistoryRepaired{Choice: Restore, Reason: reason}})
		return w, nil
	})
	return err
}

// Unrestorable says why the lost events cannot be put back; nil if they can.
func Unrestorable(d *HistoryDiverged) error {
	if d.Found > d.Common {
		return fmt.Errorf("event %d was written after the record had lost %d to %d, so these cannot be put behind it", d.Common+1, d.Common+1, d.Held)
	}
	if n := d.Held - d.Common; uint64(len(d.Lost)) < n {
		return fmt.Errorf("of %d lost events only %d are still held", n, len(d.Lost))
	}
	return nil
}
