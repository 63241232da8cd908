package engine

import "github.com/failoverbot/failoverbot/incident/runbook"

// Finding is what one check found when it was carried out without an incident.
type Finding struct {
	Step runbook.Step
	// OK: it is so. Otherwise it is not so, or Unknown: it could not be found out.
	OK      bool
	Unknown bool
	Outcome Outcome
	// Err is why it is unknown.
	Err error
	// Hint says what a person can do about it; may be empty.
	Hint string
}
