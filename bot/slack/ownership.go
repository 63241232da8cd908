package slack

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
)

// ownership knows whether it is this replica that speaks about an incident.
type ownership struct {
	b     *Face
	id    incident.ID
	alone time.Time
}

// ours is true for the replica that carries the run out, or carried it to its
// end. One that lost it is silent at once. What a finished run left unsaid is said
// by whoever finds it.
func (t *ownership) ours(s *incident.State) bool {
	if t.b.opt.Holds(t.id) {
		t.alone = time.Time{}
		return true
	}
	if !s.Over() {
		t.alone = time.Time{}
		return false
	}
	now := t.b.clock.Now()
	if t.alone.IsZero() {
		t.alone = now
	}
	return now.Sub(t.alone) >= orphan
}
