package commands

import (
	"context"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// repair decides how to go on after the record has lost events: from what is left
// of it, or from what a replica still held, which is appended again first.
func (c *Commands) repair(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	choice, rest := cut(ask.Text)
	if ask.On != "" {
		choice, rest = ask.On, ask.Text
	}
	if choice != incident.GoOn && choice != incident.Restore {
		return *refused("Say how: {repair go-on REASON} takes what is left of the record for the truth, {repair restore REASON} puts the lost events back.")
	}
	lost := 0
	a = c.view(ctx, id, func(s *incident.State, _ *runbook.Plan) error {
		if s.Diverged == nil {
			return refuse("The record of %s has lost nothing, so there is nothing to repair.", s.ID.Name())
		}
		lost = int(s.Diverged.Held - s.Diverged.Common)
		return nil
	})
	if a != nil {
		return *a
	}
	if ask.Values == nil && rest == "" && ask.CanForm {
		return Answer{Form: &Form{
			Verb: "repair", On: choice, Incident: id, Title: "Go on after the loss", Submit: "Go on",
			Text:   text.Format("The record of %s lost %v. Compare first what really holds: the database's writer, DNS, the services' sizes.", id.Name(), text.Count(lost, "event")),
			Fields: []Field{{Name: "reason", Label: "What was compared, and why", Hint: everybodyReads, Lines: true}},
		}}
	}
	why, a := reason(ask, rest, "repair "+choice+" REASON")
	if a != nil {
		return *a
	}
	if choice == incident.Restore {
		via := ask.Via
		if err := incident.RestoreLost(ctx, c.Book, id, ask.person, &via, c.Clock.Now(), why); err != nil {
			return *refused("The lost events were not put back: %s. {repair go-on REASON} goes on from what is left.", err)
		}
		return Answer{Text: text.Format("%v put %v back on the record of %s: %v. The run goes on.", named(ask.person), text.Count(lost, "lost event"), id.Name(), text.Quote(why)), Public: true}
	}
	gone := false
	a = c.recordEvenHalted(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if s.Diverged == nil {
			return nil, refuse("Somebody else has decided already how %s goes on.", s.ID.Name())
		}
		gone = s.Gone()
		return []incident.Body{incident.HistoryRepaired{Choice: choice, Reason: why, Closes: gone}}, nil
	})
	if a != nil {
		return *a
	}
	if gone {
		return Answer{Text: text.Format("%v closed %s, of which the record has nothing left: %v. What it had changed stays as it is; {status} says which Region serves, {start} begins anew.", named(ask.person), id.Name(), text.Quote(why)), Public: true}
	}
	return Answer{Text: text.Format("%v goes on with %s from what is left of the record: %v. What may have happened is looked for before anything is done again.", named(ask.person), id.Name(), text.Quote(why)), Public: true}
}
