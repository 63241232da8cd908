package slack

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

const (
	// peopleFresh is how long what Slack said about somebody is taken as it is.
	peopleFresh = 5 * time.Minute
	// peopleKept is how long it still counts when Slack cannot be asked: a commander
	// whom Slack knew this morning is not sent away in the middle of an incident.
	peopleKept = 24 * time.Hour
	// peopleWithin is how long somebody waits for Slack to say who they are. A form's
	// trigger lives three seconds.
	peopleWithin = time.Second
	// peopleMax is how many are kept.
	peopleMax = 2000
)

var errPeopleSlow = errors.New("Slack did not say within a second who that is")

// people is who Slack says that they are: a member of this workspace, or somebody
// that nothing is taken from.
type people struct {
	b  *Face
	mu sync.Mutex
	// known by user id.
	known  map[string]person
	asking map[string]chan struct{} // closed when the answer is there
}

// person is what is known of one.
type person struct {
	belongs belonging
	at      time.Time // when Slack said so
	err     error     // why the last look-up came to nothing, after at
}

// belonging is what somebody is in this workspace.
type belonging int

const (
	unknown belonging = iota
	member
	guest
	deactivated
	stranger
)

func newPeople(b *Face) *people {
	return &people{b: b, known: map[string]person{}, asking: map[string]chan struct{}{}}
}

// refuses says why nothing is taken from somebody; empty: it is. Who only looks is let
// in when Slack cannot say who they are; who decides something is not.
func (p *people) refuses(ctx context.Context, id string, decides bool) text.Text {
	who := p.of(ctx, id, decides)
	switch who.belongs {
	case member:
		return text.Text{}
	case guest:
		return text.Format("You are a guest in this workspace, so nothing is taken from you here. A member who is on the roster can ask for it.")
	case deactivated:
		return text.Format("Your account in this workspace is deactivated, so nothing was done. A member who is on the roster can ask for it.")
	case stranger:
		return text.Format("You belong to another organisation than this workspace, so nothing was done. A member who is on the roster can ask for it.")
	case unknown:
	}
	switch {
	case !decides:
		return text.Text{}
	case lacking(who.err):
		return text.Format("The bot may not ask Slack who you are (the app lacks the scope users:read), so nothing is decided on your word. Whoever keeps the app has to add it. You can {status}.")
	case code(who.err) == "user_not_found", code(who.err) == "user_not_visible":
		return text.Format("Slack does not know you in this workspace, so nothing was done. A member who is on the roster can ask for it.")
	}
	return text.Format("Slack does not say now who you are, so nothing is decided on your word: %v. Try again in a moment. You can {status}.", who.err)
}

// of is what is known of somebody, asked anew when it is old. Who decides something
// waits for that. Who only looks does so only while a look-up leaves at once: when many
// ask in the same minute, the rate of users.info keeps nobody from an answer who
// would be let in at the end of the wait anyway.
func (p *people) of(ctx context.Context, id string, decides bool) person {
	p.mu.Lock()
	who, now := p.known[id], p.b.clock.Now()
	if who.belongs != unknown && now.Sub(who.at) < peopleFresh {
		p.mu.Unlock()
		return who
	}
	done, asked := p.asking[id], true
	if done == nil {
		done, asked = make(chan struct{}), false
		p.asking[id] = done
	}
	waits := decides || p.b.client.pace.free(methodPerson, p.rankOf(id), len(p.asking))
	if !asked {
		// Whoever asked may go away; the answer serves the next.
		p.b.spawn(p.b.clock.Busy(), func() { p.ask(context.WithoutCancel(ctx), id, done) })
	}
	p.mu.Unlock()
	if !waits {
		return who.asOf(now)
	}

	soon, cancel := p.b.clock.WithTimeout(ctx, peopleWithin, errPeopleSlow)
	defer cancel()
	soon, cancelReal := incident.RealClock{}.WithTimeout(soon, peopleWithin, errPeopleSlow)
	defer cancelReal()
	resume := p.b.clock.Idle()
	select {
	case <-done:
	case <-soon.Done():
	}
	resume()

	p.mu.Lock()
	defer p.mu.Unlock()
	who = p.known[id]
	if who.err == nil && who.belongs == unknown {
		who.err = errPeopleSlow
	}
	now = p.b.clock.Now()
	if age := now.Sub(who.at); who.belongs != unknown && age >= peopleFresh {
		p.b.log.Warn().Err(who.err).Str("person", short40(id)).Dur("age", age).Msg("Slack does not say who that is; what it said before counts")
	}
	return who.asOf(now)
}

// asOf is what counts of it by then: what Slack said too long ago does not.
func (who person) asOf(now time.Time) person {
	if now.Sub(who.at) >= peopleKept {
		who.belongs = unknown
	}
	return who
}

// rankOf is how soon it is asked who somebody is: first those who can decide.
func (p *people) rankOf(id string) rank {
	if p.b.onRoster(id) {
		return rankAnswer
	}
	return rankRemark
}

// ask asks Slack, and keeps what it says. What was known stays when it says nothing.
func (p *people) ask(ctx context.Context, id string, done chan struct{}) {
	t := turn{rank: p.rankOf(id), person: id, until: p.b.clock.Now().Add(peopleFresh)}
	var user *slack.User
	err := p.b.client.call(asTurn(ctx, t), methodPerson, "", func(ctx context.Context) (err error) {
		user, err = p.b.client.api.GetUserInfoContext(ctx, id)
		return err
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	who := p.known[id]
	if who.err = err; err == nil {
		who = person{belongs: p.b.client.belongs(user), at: p.b.clock.Now()}
	} else if lacking(err) {
		p.b.log.Error().Err(err).Msg("the app may not ask who somebody is (users:read), so nobody can decide anything in Slack")
	}
	if len(p.known) >= peopleMax {
		for old := range p.known { // the roster's are asked again when they come
			delete(p.known, old)
			break
		}
	}
	p.known[id] = who
	delete(p.asking, id)
	close(done)
}

// belongs is what somebody is in this workspace.
func (c *Client) belongs(u *slack.User) belonging {
	ours := u.TeamID == c.TeamID
	if c.EnterpriseID != "" {
		ours = ours || u.TeamID == c.EnterpriseID || u.Enterprise.EnterpriseID == c.EnterpriseID
	}
	switch {
	case u.Deleted:
		return deactivated
	case u.IsStranger, !ours:
		return stranger
	case u.IsRestricted, u.IsUltraRestricted:
		return guest
	}
	return member
}

func (b *Face) onRoster(user string) bool {
	_, known := b.opt.Roster.Of(bySlack(user))
	return known
}

// keep keeps what is known of the roster's people fresh, so that it is there when
// Slack cannot be asked.
func (p *people) keep(ctx context.Context) {
	for ctx.Err() == nil {
		for _, one := range p.b.opt.Roster {
			if user := p.b.opt.userOf(one.ID); userID.MatchString(user) {
				p.of(ctx, user, true)
			}
		}
		if p.b.clock.Sleep(ctx, peopleFresh) != nil {
			return
		}
	}
}
