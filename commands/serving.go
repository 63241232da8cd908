package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// other is the only other Region than that, "" if there are more.
func (c *Commands) other(region string) string {
	left := slices.DeleteFunc(c.regions(), func(r string) bool { return r == region })
	if len(left) != 1 {
		return ""
	}
	return left[0]
}

// serving is which Region serves users.
type serving struct {
	region   string
	evidence string
	err      error
	// not is a Region that does not serve; which one does was not asked then.
	not string
	// signs are what each part of the platform says of the Region that was asked about.
	signs []Sign
}

func (c *Commands) serving(ctx context.Context, within time.Duration) serving {
	ctx, stop := c.bounded(ctx, within, "finding out which Region serves")
	defer stop()
	region, evidence, err := c.Active(ctx)
	if err == nil && c.region(region) == "" {
		err = fmt.Errorf("the answers name %q, which is not a Region of this platform", region)
	}
	if err != nil {
		return serving{err: err}
	}
	now := serving{region: c.region(region), evidence: evidence}
	c.mu.Lock()
	c.served, c.servedAt = now, c.Clock.Now()
	c.mu.Unlock()
	return now
}

const (
	// servingFresh is how long what was found out about who serves is said as it is.
	servingFresh = 15 * time.Second
	// missedFresh is how long it is said that it could not be found out, before that is
	// tried again.
	missedFresh = 5 * time.Second
	// servingWithin is how long it may take to find it out.
	servingWithin = 10 * time.Second
)

// servedLast is what was last found out about who serves, and when; the zero time when
// nothing was yet.
func (c *Commands) servedLast() (serving, time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.served, c.servedAt
}

// missedLast is when and why it could not be found out who serves, if that is fresh and
// nothing was found out since; otherwise there is no error.
func (c *Commands) missedLast() (at time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.missedAt.Before(c.servedAt) || c.Clock.Now().Sub(c.missedAt) >= missedFresh {
		return time.Time{}, nil
	}
	return c.missedAt, c.missed
}

// lookUp finds out who serves now, once for all who ask meanwhile. Whatever it asks
// may never answer; who waits for it does not wait longer than ctx and servingWithin.
func (c *Commands) lookUp(ctx context.Context) serving {
	long := context.WithoutCancel(ctx)
	c.mu.Lock()
	look := c.looking
	if look == nil {
		look = &looking{done: make(chan struct{})}
		c.looking = look
		busy := c.Clock.Busy()
		go func() { // ends with servingWithin, or with whatever it asks
			defer busy()
			look.found = c.serving(long, servingWithin)
			c.mu.Lock()
			c.looking = nil
			if look.found.err != nil {
				c.missed, c.missedAt = look.found.err, c.Clock.Now()
			}
			c.mu.Unlock()
			close(look.done)
		}()
	}
	c.mu.Unlock()
	ctx, stop := c.bounded(ctx, servingWithin, "finding out which Region serves")
	defer stop()
	resume := c.Clock.Idle()
	defer resume()
	select {
	case <-look.done:
		return look.found
	case <-ctx.Done():
		return serving{err: context.Cause(ctx)}
	}
}

// looking is one look-up of who serves; found may be read once done is closed.
type looking struct {
	done  chan struct{}
	found serving
}

// servingAtOnce is what is known of who serves without asking anybody, and how the
// rest is found out; nil when what is known is fresh.
func (c *Commands) servingAtOnce() (last serving, say text.Text, later func(context.Context) Answer) {
	last, at := c.servedLast()
	age := c.Clock.Now().Sub(at)
	if missed, err := c.missedLast(); err != nil {
		return last, last.orElse(text.Format("Which Region serves users now could not be found out at %v: %s.", clock(missed), err), c.at(at)), nil
	}
	switch {
	case at.IsZero():
		say = text.Format("Which Region serves users now is being found out.")
	case age < servingFresh:
		return last, last.says(), nil
	default:
		say = text.Format("%s served users at %v, %v ago; how it is now is being found out.", last.region, c.at(at), age)
	}
	return last, say, func(ctx context.Context) Answer {
		now := c.lookUp(ctx)
		if now.err != nil {
			return Answer{Text: last.orElse(now.says(), c.at(at))}
		}
		return Answer{Text: now.says()}
	}
}

// orElse adds to a sentence, that it could not be found out who serves, what was found out
// last and when.
func (s serving) orElse(say text.Text, at any) text.Text {
	if s.region == "" {
		return say
	}
	return say.Add(" At %v it was %s.", at, s.region)
}

// towards is what has to be known of who serves before a start towards target: only
// whether it serves already, if that can be asked alone.
func (c *Commands) towards(ctx context.Context, target string, within time.Duration) serving {
	if c.Serves == nil && c.Signs == nil || target == "" {
		return c.serving(ctx, within)
	}
	asked, stop := c.bounded(ctx, within, "finding out whether "+target+" serves")
	defer stop()
	var now serving
	var yes bool
	var err error
	if c.Signs != nil {
		now.signs = c.Signs(asked, target)
		yes, now.evidence, err = serve(now.signs)
	} else {
		yes, now.evidence, err = c.Serves(asked, target)
	}
	now.err = err
	switch {
	case err != nil:
	case yes:
		now.region = target
	default:
		now.not = target
	}
	return now
}

// says is the sentence about it.
func (s serving) says() text.Text {
	switch {
	case s.not != "" && s.evidence != "":
		return text.Format("%s does not serve users now (%s).", s.not, s.evidence)
	case s.not != "":
		return text.Format("%s does not serve users now.", s.not)
	case s.err != nil:
		return text.Format("Which Region serves users now could not be found out: %s.", s.err)
	case s.evidence != "":
		return text.Format("%s serves users now (%s).", s.region, s.evidence)
	}
	return text.Format("%s serves users now.", s.region)
}

// alreadyActive refuses a target that serves already. When that cannot be found
// out the record decides: after a takeover by that Region it takes a word to go on.
func (c *Commands) alreadyActive(ctx context.Context, w request, now serving) *Answer {
	if w.target == "" || now.not != "" || (now.err == nil && w.target != now.region) {
		return nil
	}
	past, err := c.tookOver(ctx, w.target)
	switch {
	case err != nil:
		return c.answerTo(err, false)
	case now.err != nil && (past.at.IsZero() || w.anyway):
		return nil
	case now.err != nil:
		return refused("%s has taken over since %s by %s; which Region serves now cannot be read: %s. If users are not served from %s any more, say so: {start %s %s %s REASON}.",
			w.target, c.at(past.at), past.id.Name(), now.err, w.target, w.target, nonempty(w.mode, unplanned), anyway)
	case past.at.IsZero():
		return refused("%s is the active Region already: %s To leave it: {start %s}.", w.target, now.says(), c.standby(w.target))
	}
	say := text.Format("%s has been the active Region since %s.", w.target, c.at(past.at))
	if past.source == c.Topology.Home {
		say = say.Add(" To go back: {failback %s}.", past.source)
	}
	return &Answer{Refused: true, Text: say}
}

// takeover is how a former incident made a Region the active one.
type takeover struct {
	id     incident.ID
	source string
	at     time.Time
}

// tookOver finds the last incident that changed where users are served, if it
// was to that Region.
func (c *Commands) tookOver(ctx context.Context, region string) (takeover, error) {
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return takeover{}, fmt.Errorf("list former incidents: %w", err)
	}
	for _, id := range slices.Backward(ids) {
		var last takeover
		var target string
		err := c.Book.View(ctx, id, func(s *incident.State) {
			for _, r := range slices.Backward(s.Runs) {
				if served := r.ServedAt(); !served.IsZero() {
					last, target = takeover{s.ID, r.Source, served}, r.Target
					return
				}
			}
		})
		switch {
		case err != nil:
			return takeover{}, err
		case last.at.IsZero():
			continue
		case target == region:
			return last, nil
		}
		return takeover{}, nil
	}
	return takeover{}, nil
}

// wrongWay refuses a start in a direction in which users, database and cache could
// not follow together. While the mode or the target is not said it does so only if no
// mode would do.
func (c *Commands) wrongWay(w request, now serving) *Answer {
	if w.target == "" {
		return nil
	}
	modes := []string{planned, unplanned}
	if w.mode != "" {
		modes = []string{w.mode}
	}
	var wrong *runbook.WrongWayError
	for _, mode := range modes {
		one := w
		one.mode = mode
		facts, err := c.facts(one, now)
		if err != nil {
			return nil // it is refused, with its reason, when all is said
		}
		facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0, ""))
		_, err = c.Compile(facts)
		found, ok := errors.AsType[*runbook.WrongWayError](err)
		if !ok {
			return nil
		}
		wrong = found
	}
	how := text.Literal(", planned or not")
	switch w.mode {
	case planned:
		how = " in a planned run"
	case unplanned:
		how = " in an unplanned run"
	}
	return refused("%s cannot take over from %s%s, so nothing was begun: %s. The database would move, and users would stay with %s. What works: mend %s where it is; {status} says which Region serves. %v",
		wrong.Target, wrong.Source, how, wrong.Why, wrong.Source, wrong.Source, c.wayBack(wrong.Source, wrong.Target))
}

// wayBack says how users get to a Region to which a start does not move them: by a failback,
// if it is home and one can be carried out, or by hand.
func (c *Commands) wayBack(source, target string) text.Text {
	facts, err := c.facts(request{kind: incident.Failback, target: target, mode: planned}, serving{region: source})
	if err == nil && target == c.Topology.Home {
		facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0, ""))
		if _, err = c.Compile(facts); err == nil {
			return text.Format("While both Regions answer: {failback %s}.", target)
		}
	}
	return backByHand(target)
}

// backByHand is the order in which people bring a Region back to which the bot does
// not move anything.
func backByHand(target string) text.Text {
	return text.Format("By hand, in this order: let %s rejoin as a standby with its replication caught up, stop writes, switch the database and the cache over, move DNS back, remove the takeover object.", target)
}
