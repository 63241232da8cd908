package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// impactAtMost is how far back users may be said to have been hurt.
const impactAtMost = 7 * 24 * time.Hour

// impact corrects since when users have been hurt; without words it says what is known.
func (c *Commands) impact(ctx context.Context, ask Ask, _ Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	said := strings.TrimSpace(ask.Text)
	if ask.Values != nil {
		said = strings.TrimSpace(ask.Values["began"] + " " + ask.Values["reason"])
	}
	if said == "" {
		var say text.Text
		a := c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
			if s.Gone() {
				return refuse("%v", hurt(s))
			}
			say = c.impactOf(view.New(s, p, c.Roster, c.Clock.Now()))
			return nil
		})
		if a != nil {
			return *a
		}
		return Answer{Text: say.Add(" To set since when: {impact since 13:58}, or {impact unknown}.")}
	}
	corrected, err := c.correction(said)
	if err != nil {
		return *c.answerTo(err, false)
	}
	if a := c.notBeforeTheLast(ctx, id, corrected.Began); a != nil {
		return *a
	}
	var now text.Text
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		corrected.Was = s.Began()
		if corrected.Was.Equal(corrected.Began) && (s.Corrected != nil || !corrected.Unknown) {
			return nil, refuse("That is what is on the record already: %v.", c.began(corrected.Began))
		}
		if served := s.ServedAt(); !served.IsZero() && corrected.Began.After(served) {
			return nil, refuse("Users have been served from %s since %s, so they cannot have been hurt from %s on. Nothing was changed.", s.Target, c.at(served), c.at(corrected.Began))
		}
		after := *s
		after.Corrected = &corrected
		now = c.impactOf(view.New(&after, p, c.Roster, c.Clock.Now()))
		return []incident.Body{corrected}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("%v set since when users have been hurt: %v, before: %v. %v", named(ask.person), c.began(corrected.Began), c.began(corrected.Was), now), Public: true}
}

// correction reads "since 13:58", "13:58 REASON" or "unknown".
func (c *Commands) correction(said string) (incident.ImpactCorrected, error) {
	word, rest := cut(said)
	if strings.EqualFold(word, "since") {
		said = rest
		word, rest = cut(said)
	}
	if strings.EqualFold(strings.TrimRight(word, ","), "unknown") {
		return incident.ImpactCorrected{Unknown: true, Reason: text.Shorten(rest, reasonMax)}, nil
	}
	if said == "" {
		return incident.ImpactCorrected{}, refuse("Say since when: {impact since 13:58}, or {impact unknown}.")
	}
	now := c.Clock.Now()
	at, rest, meant, fault := moment(said, now)
	switch {
	case !fault.Empty() && !meant:
		return incident.ImpactCorrected{}, refuse("%v is not a time that can be read. %v Nothing was changed.", typed(word), fault)
	case !fault.Empty():
		return incident.ImpactCorrected{}, refuse("%v Nothing was changed.", fault)
	case at.After(now):
		return incident.ImpactCorrected{}, refuse("%s is still to come; it is %s now. Nothing was changed.", c.at(at), c.at(now))
	}
	return incident.ImpactCorrected{Began: at.UTC(), Reason: text.Shorten(strings.TrimSpace(rest), reasonMax)}, nil
}

// notBeforeTheLast refuses a moment before the last incident ended: then users were
// hurt by that one. One that was closed without users being served has not ended.
func (c *Commands) notBeforeTheLast(ctx context.Context, id incident.ID, at time.Time) *Answer {
	if at.IsZero() {
		return nil
	}
	last, a := c.before(ctx, id)
	if a != nil || last == nil || last.Unserved || last.ResolvedAt.IsZero() || !at.Before(last.ResolvedAt) {
		return a
	}
	return refused("%s is before the end of %s, which was resolved at %s. Nothing was changed.", c.at(at), last.ID.Name(), c.at(last.ResolvedAt))
}

// former is what the next incident has to know of one before it.
type former struct {
	ID         incident.ID
	ResolvedAt time.Time
	Unserved   bool
	Began      time.Time
}

// before is the incident before that one, or the last one of all; nil if there is none.
func (c *Commands) before(ctx context.Context, id incident.ID) (*former, *Answer) {
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return nil, c.answerTo(fmt.Errorf("list former incidents: %w", err), false)
	}
	var last *former
	for _, one := range ids {
		if one == id {
			break
		}
		err := error(nil)
		if one == ids[len(ids)-1] || id != "" && len(ids) > 1 && one == ids[len(ids)-2] {
			err = c.Book.View(ctx, one, func(s *incident.State) {
				if !s.DeclaredAt.IsZero() {
					last = &former{s.ID, s.ResolvedAt, s.Unserved, c.look(s).Impact().From()}
				}
			})
		}
		if err != nil {
			return nil, c.answerTo(err, false)
		}
	}
	return last, nil
}

// began is a moment at which users began to be hurt, or that nobody knows.
func (c *Commands) began(at time.Time) text.Text {
	if at.IsZero() {
		return text.Format("not known")
	}
	return text.Format("since %s", c.at(at))
}

// impactOf says what users get and since when.
func (c *Commands) impactOf(v view.View) text.Text {
	i := v.Impact()
	lasts := text.Format("%v", i.For(v.Now))
	if i.Began.IsZero() && i.Known() {
		lasts = text.Format("at least %v (seen since %s, start not known)", lasts, c.at(i.Seen))
	}
	var say text.Text
	switch {
	case !i.Known() && v.Users() != nil:
		return text.Format("Impact: none seen: %v.", text.Quote(v.Users().Summary))
	case !i.Known():
		return text.Format("Impact: not known since when.")
	case !i.End.IsZero() && !i.Hurt:
		say = text.Format("Impact: %v", lasts)
	case !i.End.IsZero():
		say = text.Format("Impact: %v, and not over for everybody when it was closed", lasts)
	default:
		say = text.Format("Impact so far: %v", lasts)
	}
	if i.Hurt && v.ResolvedAt.IsZero() && !i.Began.IsZero() {
		say = say.Add(", since %s", c.at(i.Began))
	}
	if i.Hurt && v.ResolvedAt.IsZero() && i.Failing > 0 {
		say = say.Add("; %s of requests fail", view.Percent(i.Failing))
	}
	if i.Stopped() && v.ResolvedAt.IsZero() {
		say = say.Add("; orders stopped by us since %s", c.at(i.ByUs))
	}
	return say.Add(".")
}
