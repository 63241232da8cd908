package view

import (
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// StopsOrders says that a yes to the question stops what writes for users.
func (v View) StopsOrders(q *incident.Question) bool {
	if v.Kind.Apart() {
		return false
	}
	for _, s := range v.Showing(incident.WritersStopped) {
		for _, e := range q.Effects {
			if e.Step == s.ID {
				return true
			}
		}
	}
	return false
}

// OrdersAgain is about how long it takes, from when that step begins, until users are
// served by the target, if all goes well; 0 if the plan does not say.
func (v View) OrdersAgain(step string) time.Duration {
	return v.Plan.UsuallyUntil(step, incident.UsersServed)
}

// Dropped are the changes that were accepted and will not come about, in the order of
// the plan.
func (v View) Dropped() (changes []runbook.Step) {
	if v.Over() {
		return nil
	}
	for _, s := range v.Plan.Steps {
		if len(v.Awaiting(s.ID)) > 0 {
			changes = append(changes, s)
		}
	}
	return changes
}
