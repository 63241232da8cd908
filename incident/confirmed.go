package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What people are asked to confirm: what no API tells.
const (
	// Access: that whoever says it can open the consoles of both Regions.
	Access = "access"
	// Freeze: that deployments are frozen.
	Freeze = "freeze"
	// Egress: that partners know the addresses that both Regions send from.
	Egress = "egress"
	// Commanding and Supporting: that the commander, or support, is there. They are said
	// of an incident, the others of the platform.
	Commanding = "commander"
	Supporting = "support"
)

// Subjects are all of these.
func Subjects() []string { return []string{Access, Freeze, Egress, Commanding, Supporting} }

// askAgain is how long after people were asked they are asked the same again, while it
// is wanted.
const askAgain = 24 * time.Hour

// Wanted is what a check could not find out for want of somebody's word.
type Wanted struct {
	// Subject is one of those above.
	Subject string `json:"subject"`
	// Of are those who can say it, by their ids on the roster: each for themselves.
	Of []string `json:"of"`
	// Question is what they are asked, Yes and No what they can answer.
	Question string `json:"question"`
	Yes      string `json:"yes"`
	No       string `json:"no"`
}

func (w Wanted) key() string { return w.Subject + "/" + strings.Join(w.Of, ",") }

// Confirmed is what somebody said, and when.
type Confirmed struct {
	ConfirmationGiven
	// By is the roster's id of who said it, or that of a stranger ([Via.Stranger]).
	By string
	At time.Time
}

// Asked is what people were asked, and what came of it.
type Asked struct {
	ConfirmationAsked
	At time.Time
	// Answer is the first one that was given to it; nil while there is none.
	Answer *Confirmed
}

// confirmations are what people were asked and have said.
type confirmations struct {
	said  []Confirmed // the newest of each person about each subject, in the order of time
	asked []Asked     // the newest of each that was wanted, in the order of time
}

func (c *confirmations) apply(e Event) {
	switch b := e.Body.(type) {
	case ConfirmationAsked:
		c.asked = slices.DeleteFunc(c.asked, func(a Asked) bool { return a.key() == b.key() })
		c.asked = append(c.asked, Asked{ConfirmationAsked: b, At: e.Time})
	case ConfirmationGiven:
		said := Confirmed{b, e.Actor, e.Time}
		c.said = slices.DeleteFunc(c.said, func(o Confirmed) bool { return o.Subject == b.Subject && o.By == e.Actor })
		c.said = append(c.said, said)
		for i := range c.asked {
			if a := &c.asked[i]; a.Answer == nil && a.Subject == b.Subject && slices.Contains(a.Of, e.Actor) {
				a.Answer = &said
			}
		}
	}
}

// Said is the newest that was said about that, by that person, or, with an empty person,
// by anybody. It may be asked of nil.
func (p *Platform) Said(subject, person string) (Confirmed, bool) {
	if p == nil {
		return Confirmed{}, false
	}
	for _, s := range slices.Backward(p.confirmations.said) {
		if s.Subject == subject && (person == "" || s.By == person) {
			return s, true
		}
	}
	return Confirmed{}, false
}

// Asked are the questions about the platform, the newest of each kind, oldest first. It
// may be asked of nil; the answer must not be changed.
func (p *Platform) Asked() []Asked {
	if p == nil {
		return nil
	}
	return p.confirmations.asked
}

// Here is who has said of that incident that the commander, or support, is there, and
// when: the first who did.
func (s *State) Here(subject string) (Confirmed, bool) {
	c, ok := s.here[subject]
	return c, ok
}

// Acted is when that person first did something that is on this timeline.
func (s *State) Acted(person string) (time.Time, bool) {
	at, ok := s.acted[person]
	return at, ok
}

// AskFor asks people for what checks lacked, on the platform log, in the bot's name and
// under the lease with that token: each once, and again a day later if it is still
// wanted. It may be called any number of times, by any replica.
func (b *Book) AskFor(ctx context.Context, wanted []Wanted, now time.Time, fence uint64) error {
	_, err := b.Decide(ctx, PlatformLog, func(s *State) (Write, error) {
		w := Write{Fence: fence}
		asked := map[string]time.Time{}
		for _, a := range s.Platform.Asked() {
			asked[a.key()] = a.At
		}
		for _, one := range wanted {
			if at, before := asked[one.key()]; before && now.Sub(at) < askAgain || len(one.Of) == 0 {
				continue
			}
			asked[one.key()] = now
			w.Events = append(w.Events, Event{Time: now, Actor: Bot, Body: ConfirmationAsked{
				Confirmation: fmt.Sprintf("%s@%d", one.key(), now.Unix()), Wanted: one,
			}})
		}
		return w, nil
	})
	return err
}
