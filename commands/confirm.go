package commands

import (
	"context"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// known are what can be confirmed of the platform: as it is said when it is so, and when
// it is not, and whose word counts; nil is everybody's on the roster, for themselves.
var known = map[string]struct {
	so, not text.Literal
	of      []string
}{
	incident.Access: {"you can open the consoles of both Regions", "you cannot open the consoles of both Regions", nil},
	incident.Freeze: {"deployments are frozen", "deployments are not frozen", []string{Commander}},
	incident.Egress: {"partners know the addresses of both Regions", "partners do not know the addresses of both Regions", []string{Commander}},
}

func (c *Commands) confirm(ctx context.Context, ask Ask, who Person) Answer {
	return c.word(ctx, ask, who, true)
}

func (c *Commands) deny(ctx context.Context, ask Ask, who Person) Answer {
	return c.word(ctx, ask, who, false)
}

// word puts on the platform log what somebody says for themselves: as an answer to what
// they were asked, or of their own accord.
func (c *Commands) word(ctx context.Context, ask Ask, who Person, yes bool) Answer {
	given := incident.ConfirmationGiven{Confirmation: ask.On, Yes: yes}
	var rest string
	if ask.On == "" {
		given.Subject, rest = cut(ask.Text)
		given.Subject = text.Fold(given.Subject)
	}
	given.Reason = text.Shorten(rest, reasonMax)
	tried := false
	_, err := c.Book.Decide(ctx, incident.PlatformLog, func(s *incident.State) (incident.Write, error) {
		tried = false
		if s.Diverged != nil {
			return incident.Write{}, halted(s)
		}
		if err := c.asked(s.Platform, &given, who); err != nil {
			return incident.Write{}, err
		}
		what, ok := known[given.Subject]
		switch {
		case !ok && given.Subject == "":
			return incident.Write{}, refuse("Say what: {confirm access} when you can open the consoles of both Regions, {confirm freeze} when deployments are frozen, {confirm egress} when partners know the addresses of both; or {deny access} and so on.")
		case !ok:
			return incident.Write{}, refuse("%v is nothing that can be confirmed. What can: access, freeze and egress.", typed(given.Subject))
		case what.of != nil && !who.Has(what.of...):
			return incident.Write{}, refuse("For that the word of %s counts. %v", either(what.of), c.can(what.of, nil))
		}
		tried = true
		return c.write(ask, given), nil
	})
	if a := c.answerTo(err, tried); a != nil {
		return *a
	}
	say := known[given.Subject].so
	if !yes {
		say = known[given.Subject].not
	}
	return Answer{Text: text.Format("Noted at %s, in your name: %v.", c.at(c.Clock.Now()), text.Format(say))}
}

// asked finds what a button answers, and refuses whoever was not asked: each says it for
// themselves.
func (c *Commands) asked(p *incident.Platform, given *incident.ConfirmationGiven, who Person) error {
	if given.Confirmation == "" {
		return nil
	}
	for _, a := range p.Asked() {
		if a.Confirmation != given.Confirmation {
			continue
		}
		if !slices.Contains(a.Of, who.ID) {
			var names []text.Text
			for _, id := range a.Of {
				names = append(names, named(id))
			}
			return refuse("That is asked of %v, who can say it for themselves alone, so nothing was done. What you know of yourself you can say with {confirm %s}.", text.Join(names, "and"), a.Subject)
		}
		given.Subject = a.Subject
		return nil
	}
	return refuse("That was asked anew since, so nothing was done: the newest question of that kind in the channel counts.")
}

// here puts on the incident's timeline that the commander, or support, is there.
func (c *Commands) here(ctx context.Context, ask Ask, who Person) Answer {
	id, a := c.which(ctx, ask)
	if a != nil {
		return *a
	}
	what := ask.On
	if what == "" {
		word, _ := cut(ask.Text)
		what = text.Fold(word)
	}
	if what == "" && who.Has(Commander) {
		what = incident.Commanding
	}
	if what == "" {
		what = incident.Supporting
	}
	switch what {
	case incident.Commanding:
		if !who.Has(Commander) {
			return *refused("That is for a commander to say. %v Support says it by the button of the message that asks for it.", c.can([]string{Commander}, nil))
		}
	case incident.Supporting:
		if a := c.ofSupport(ctx, ask); a != nil {
			return *a
		}
	default:
		return *refused("Say {here} as a commander. Support says it by the button of the message that asks for it.")
	}
	a = c.record(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if !s.ResolvedAt.IsZero() {
			return nil, refuse("%s was closed at %s, so nobody is waited for.", s.ID.Name(), c.at(s.ResolvedAt))
		}
		if there, ok := s.Here(what); ok {
			return nil, refuse("%v said at %s that they are here. That is on the record already.", named(there.By), c.at(there.At))
		}
		return []incident.Body{incident.ConfirmationGiven{Subject: what, Yes: true}}, nil
	})
	if a != nil {
		return *a
	}
	return Answer{Text: text.Format("Noted: you are here.")}
}

// supportWithin is how long it may take to find out whether somebody is of support. A
// click waits for it.
const supportWithin = 2 * time.Second

// ofSupport refuses whoever is not.
func (c *Commands) ofSupport(ctx context.Context, ask Ask) *Answer {
	if c.Supports == nil {
		return refused("The settings name nobody of support (slack.support), so nobody can say that support is here. A remark: {note TEXT}.")
	}
	ctx, stop := c.bounded(ctx, supportWithin, "finding out who is of support")
	defer stop()
	switch yes, err := c.Supports(ctx, ask.Via); {
	case err != nil:
		return refused("Whether you are of support cannot be found out now, so nothing was done: %v. Try again in a moment.", text.Error(err))
	case !yes:
		return refused("That is for those of support to say whom the settings name (slack.support), and you are none of them. Nothing was done.")
	}
	return nil
}
