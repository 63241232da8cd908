package commands

import (
	"context"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// proposed is the proposal that is meant, which is the one that stands where none is named;
// or why it cannot be answered any more.
func (c *Commands) proposed(s *incident.State, ask Ask) (*incident.Proposal, error) {
	q := s.Platform.Proposed()
	if id := nonempty(ask.On, ask.Text); id != "" && s.Platform != nil {
		q = s.Platform.Proposals[id]
	}
	switch {
	case q == nil:
		return nil, refuse("That proposal is not on the record. Nothing was begun. To begin a failover: {start %s}.", c.standby(""))
	case q.Answer == incident.ProposalStarted:
		return nil, refuse("That proposal was taken up at %s: %s is open. {status} shows it.", c.at(q.AnsweredAt), q.Incident.Name())
	case q.Answer == incident.ProposalDismissed:
		return nil, refuse("%s said \"not now\" at %s. Nothing was begun. To begin all the same: {start %s}.", named(q.AnsweredBy), c.at(q.AnsweredAt), q.Target)
	case q.Answer != "":
		return nil, refuse("That proposal was withdrawn at %s: %s. Nothing was begun. To begin all the same: {start %s}.", c.at(q.AnsweredAt), q.Reason, q.Target)
	}
	return q, nil
}

// startProposed opens the form of start with what was proposed filled in.
func (c *Commands) startProposed(ctx context.Context, ask Ask, _ Person) Answer {
	var q incident.Proposal
	var no error
	err := c.Book.View(ctx, incident.PlatformLog, func(s *incident.State) {
		var p *incident.Proposal
		if p, no = c.proposed(s, ask); no == nil {
			q = *p
		}
	})
	if err == nil {
		err = no
	}
	if err != nil {
		return *c.answerTo(err, false)
	}
	if a := c.nothingOpen(ctx); a != nil {
		return *a
	}
	if !ask.CanForm {
		return *refused("Say it in one line: {start %s %s REASON}.", q.Target, q.Mode)
	}
	w := request{target: q.Target}
	now := c.towards(ctx, w.target, formWithin)
	if a := c.alreadyActive(ctx, w, now); a != nil {
		return *a
	}
	if a := c.wrongWay(w, now); a != nil {
		return *a
	}
	f := c.startForm(w, now)
	for i, field := range f.Fields {
		switch field.Name {
		case "mode":
			f.Fields[i].Value = q.Mode
		case "reason":
			f.Fields[i].Value = text.Shorten(q.Summary, reasonMax)
		case "began":
			if !q.Began.IsZero() {
				f.Fields[i].Value = q.Began.UTC().Format("15:04") + " UTC"
			}
		}
	}
	return Answer{Form: f}
}

// notNow leaves a proposal: it is made anew, if it still holds, once some time has passed.
func (c *Commands) notNow(ctx context.Context, ask Ask, _ Person) Answer {
	tried := false
	_, err := c.Book.Decide(ctx, incident.PlatformLog, func(s *incident.State) (incident.Write, error) {
		tried = false
		q, err := c.proposed(s, ask)
		if err != nil {
			return incident.Write{}, err
		}
		tried = true
		return c.write(ask, incident.ProposalAnswered{Proposal: q.Proposal, Answer: incident.ProposalDismissed}), nil
	})
	if err != nil {
		return *c.answerTo(err, tried)
	}
	return Answer{Text: text.Format("It is on the record that you said \"not now\". If the signals still agree later, it is proposed again.")}
}

// takenUp answers the proposal of an incident that has begun towards that Region. If that
// cannot be written now, whoever watches does it.
func (c *Commands) takenUp(ctx context.Context, ask Ask, id incident.ID, target string) {
	_, err := c.Book.Decide(ctx, incident.PlatformLog, func(s *incident.State) (incident.Write, error) {
		q := s.Platform.Proposed()
		if q == nil || q.Target != target {
			return incident.Write{}, nil
		}
		w := c.write(ask, incident.ProposalAnswered{Proposal: q.Proposal, Answer: incident.ProposalStarted, Incident: id})
		w.Request += "/proposal"
		return w, nil
	})
	if err != nil {
		c.log.Warn().Err(err).Msg("that a proposal was taken up is not on the platform log yet")
	}
}
