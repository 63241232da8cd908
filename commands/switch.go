package commands

import (
	"context"
	"encoding/json"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// switchRun leaves a planned run for an unplanned one, because the Region that it needs
// is lost. It is a new run that follows the first: what is done is found by looking,
// what was asked is withdrawn, and the outage is looked at and the promotion approved
// as in any unplanned run. The first one ends as superseded.
func (c *Commands) switchRun(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	words, sure := ask.Text, ask.Values != nil
	for word, rest := cut(words); ; word, rest = cut(words) {
		word = text.Fold(word)
		if word == planned {
			return *refused("A run cannot be switched to a planned one: the database would have to move without loss, and this run is on its way. {abort REASON} stops it.")
		}
		if word != unplanned && word != anyway {
			break
		}
		sure, words = sure || word == anyway, rest
	}
	var f *Form
	a = c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
		v := c.look(s)
		if err := c.maySwitch(v); err != nil {
			return err
		}
		f = &Form{
			Verb: "switch", On: ask.On, Incident: s.ID, Title: "Switch to unplanned", Submit: "Switch",
			Text:   c.aboutSwitch(v),
			Fields: []Field{{Name: "reason", Label: "Why", Hint: everybodyReads, Lines: true}},
		}
		if words == "" && ask.Values == nil && ask.CanForm || sure || !v.SourceLost().IsZero() {
			return nil
		}
		return refuse("%v If you mean it, say so: {switch unplanned %s REASON}.", c.aboutSwitch(v), anyway)
	})
	if a != nil {
		return *a
	}
	if words == "" && ask.Values == nil && ask.CanForm {
		return Answer{Form: f}
	}
	why, a := reason(ask, words, "switch unplanned REASON")
	if a != nil {
		return *a
	}
	var next incident.RunID
	var target string
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if err := c.maySwitch(c.look(s)); err != nil {
			return nil, err
		}
		bodies, err := c.switched(s, p, why)
		next, target = s.NextRun(incident.Failover), s.Target
		return bodies, err
	})
	if a != nil {
		return *a
	}
	c.log.Info().Str("incident", string(id)).Str("run", string(next)).Msg("switched to unplanned")
	return Answer{Public: true, Text: text.Format("Switched to an unplanned failover by %v (%v). What is done in %s is found and not done again; the outage is looked at, and the promotion needs an approval.",
		named(ask.person), text.Quote(text.Shorten(why, reasonMax)), target)}
}

// switched ends the planned run and begins the unplanned one, in one piece.
func (c *Commands) switched(s *incident.State, p *runbook.Plan, why string) ([]incident.Body, error) {
	plan, err := c.Compile(runbook.Facts{
		Incident: s.ID.Name(), Mode: unplanned, Severity: s.Declared.Severity, Reason: s.Declared.Reason,
		Source: p.Source, Target: p.Target, Topology: p.Topology,
	})
	if err != nil {
		return nil, refuse("The runbook cannot be carried out unplanned, so nothing was switched: %s", faults(err))
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		return nil, refuse("The plan cannot be written down, so nothing was switched: %s.", err)
	}
	var bodies []incident.Body
	for _, open := range s.Open {
		bodies = append(bodies, incident.ApprovalWithdrawn{Question: open, Step: s.Questions[open].Step, Why: "the run was switched to an unplanned one"})
	}
	return append(bodies,
		incident.RunEnded{How: incident.Superseded, Summary: why},
		incident.RunBegun{
			Kind: incident.Failover, Source: s.Source, Target: s.Target, Mode: unplanned, Follows: s.Run.Name,
			Digest: plan.Digest, Plan: raw,
		}), nil
}

// maySwitch refuses with what would work instead.
func (c *Commands) maySwitch(v view.View) error {
	switch v.MaySwitch() {
	case "":
		return nil
	case view.SwitchHalted:
		return halted(v.State)
	case view.SwitchUnplanned:
		return refuse("%s is an unplanned failover already. %s", v.ID.Name(), c.waits(v.State))
	case view.SwitchOther:
		return refuse("%s is under way in %s, and only a planned failover can be switched. {status} shows it.", string(v.Run.Name), v.ID.Name())
	case view.SwitchWrites:
		return refuse("The database writes in %s already, so an unplanned failover has nothing left to promote; this run goes on without %s. %s", v.Target, v.Source, c.waits(v.State))
	case view.SwitchNoRun:
	}
	if err := c.running(v.State); err != nil {
		return err
	}
	return refuse("No run is under way in %s. To begin one: {start %s unplanned REASON}.", v.ID.Name(), v.Target)
}

// aboutSwitch says what switching means, first whether the Region answers.
func (c *Commands) aboutSwitch(v view.View) text.Text {
	var first text.Text
	switch lost, seen := v.SourceLost(), v.SourceAnswers(); {
	case !lost.IsZero():
		first = text.Format("%s has not answered since %v.", v.Source, clock(lost))
	case !seen.IsZero():
		first = text.Format("%s answers since %v, so the planned run can still be finished without loss.", v.Source, clock(seen))
	default:
		first = text.Format("It is not known whether %s answers.", v.Source)
	}
	return first.Add(" An unplanned failover promotes the database of %s without what it has not received: that is lost. This run ends and another one follows it; what is done is found and not done twice, open approvals are withdrawn, and the promotion is approved anew.", v.Target)
}
