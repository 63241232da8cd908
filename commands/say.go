package commands

import (
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// named is a person, or the bot itself.
func named(id string) text.Text {
	if id == "" || id == incident.Bot {
		return text.Format(incident.Bot)
	}
	return text.Person(id)
}

// name is how a person is named in a file, which outlives the surface.
func (c *Commands) name(id string) string {
	for _, p := range c.Roster {
		if p.ID == id && p.Name != "" {
			return p.Name
		}
	}
	return id
}

// can names who may, of those that may also lets.
func (c *Commands) can(roles []string, may func(p Person) bool) text.Text {
	var names []text.Text
	for _, p := range c.Roster {
		if !p.Has(roles...) || (may != nil && !may(p)) {
			continue
		}
		var held []string
		for _, r := range p.Roles {
			if slices.Contains(roles, r) {
				held = append(held, r)
			}
		}
		names = append(names, text.Format("%v (%v)", named(p.ID), text.List(held, "and")))
	}
	if len(names) == 0 {
		return text.Format("Nobody else on the roster is %v.", either(roles))
	}
	return text.Join(names, "and").Add(" can.")
}

// either is "a commander or an approver".
func either(roles []string) string {
	var with []string
	for _, r := range roles {
		with = append(with, text.Article(r))
	}
	return text.List(with, "or")
}

// clock is a time to the second.
func clock(t time.Time) text.Text { return text.At(t, text.ToSecond) }

// at is a time as people say it: with its day if that is not today.
func (c *Commands) at(t time.Time) text.Text {
	if now := c.Clock.Now().UTC(); now.Format(time.DateOnly) != t.UTC().Format(time.DateOnly) {
		return text.At(t, text.ToDay)
	}
	return text.At(t, text.ToMinute)
}

// typed is what somebody typed, repeated exactly, if not all of it.
func typed(word string) text.Text { return text.Exactly(repeated(word)) }

// repeated is as much of what somebody typed as is worth repeating.
func repeated(words string) string { return text.Shorten(strings.TrimSpace(words), 80) }

// faults are all that is wrong with a runbook, a line each.
func faults(err error) text.Text { return text.Passage(text.Shorten(err.Error(), 2500)) }

// everybodyReads is what a form says about a reason.
var everybodyReads = text.Format("Everybody will read it.")

// reasonMax is how long a reason may be: as long as the cards can show it.
const reasonMax = 500

// certain takes the word off a reason that says: I have read what it comes to.
func certain(said string) (reason string, sure bool) {
	if word, rest := cut(said); text.Fold(word) == anyway {
		return rest, true
	}
	return said, false
}

// askBack answers a typed command that does harm if it was meant otherwise: by its
// form, as the button does, or with what the form says and the command that acts.
func askBack(ask Ask, f *Form, again text.Text) Answer {
	if ask.CanForm {
		return Answer{Form: f}
	}
	return *refused("%v\nNothing was done. If that is meant: %v", f.Text, again)
}

// reason of an Ask, from its form or from what was typed; the form's fault if it
// is missing or too long.
func reason(ask Ask, said, what string) (string, *Answer) {
	r := strings.TrimSpace(said)
	if ask.Values != nil {
		r = strings.TrimSpace(ask.Values["reason"])
	}
	var say text.Text
	switch {
	case r == "":
		say = text.Format("Say why; everybody will read it.")
	case len([]rune(r)) > reasonMax:
		say = text.Format("At most %d letters; put the rest in a note.", reasonMax)
	default:
		return r, nil
	}
	if ask.Values != nil {
		return "", &Answer{Refused: true, Errors: map[string]text.Text{"reason": say}}
	}
	return "", refused("%v {%s}", say, what)
}
