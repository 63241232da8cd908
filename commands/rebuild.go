package commands

import (
	"context"
	"errors"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// rebuild begins a run that makes a standby database anew in a Region, after a detach has left
// one behind there. It stops what was left behind, so the Region that serves has to be known,
// and to be another one.
func (c *Commands) rebuild(ctx context.Context, ask Ask, who Person) Answer {
	w, err := c.requestedRebuild(ask)
	if err != nil {
		return *c.answerTo(err, false)
	}
	if a := c.nothingOpen(ctx); a != nil {
		return *a
	}
	switch led, says, err := c.ledTo(ctx, w.target); {
	case err != nil:
		return *refused("Whether users are led to %s could not be found out: %s. A rebuild stops the database there, so nothing was begun.", w.target, err)
	case led:
		return *refused("Users are led to %s (%s). A rebuild stops the database of the Region that it is for, so it is for one that users have left: {rebuild %s REASON}. Nothing was begun.", w.target, says, c.standby(w.target))
	}
	return c.beginApart(ctx, ask, who, w, func(source string) Answer {
		if !ask.CanForm {
			return *refused("What is missing: the reason. Say it in one line: {rebuild %s it is well again, and was left behind by a detach}.", w.target)
		}
		return Answer{Form: &Form{
			Verb: "rebuild", On: w.target, Title: "Rebuild the standby", Submit: "Start",
			Text:   text.Format("%v Users stay where they are. Nothing changes before somebody presses Go.", text.Heading("%s gets a standby database that follows %s; what was left behind there is stopped.", w.target, source)),
			Fields: []Field{{Name: "reason", Label: "Reason", Hint: everybodyReads, Lines: true}},
		}}
	})
}

// ledTo says whether users are led to a Region. After a detach the database of each Region
// writes, so it is no sign; names are.
func (c *Commands) ledTo(ctx context.Context, region string) (yes bool, says string, err error) {
	ctx, stop := c.bounded(ctx, servesWithin, "finding out whether users are led to "+region)
	defer stop()
	if c.Signs == nil {
		now := c.towards(ctx, region, servesWithin)
		return now.region == region, now.evidence, now.err
	}
	for _, s := range c.Signs(ctx, region) {
		if s.Serves && s.ByItself {
			return s.Yes, s.Says, s.Err
		}
	}
	return false, "", errors.New("nothing is set up to find it out")
}

// requestedRebuild reads REGION REASON. The Region has to be named: something is stopped there.
func (c *Commands) requestedRebuild(ask Ask) (request, error) {
	w := request{kind: incident.RebuildStandby, mode: planned}
	word, rest := cut(strings.TrimSpace(ask.On + " " + ask.Text))
	switch region := c.region(word); {
	case region != "":
		w.target = region
	case word == "":
		return w, refuse("What is missing: the Region whose database was left behind by a detach, and the reason: {rebuild %s REASON}.", c.Topology.Home)
	default:
		return w, c.unknownRegion(word, "rebuild")
	}
	w.reason = strings.TrimSpace(rest)
	if ask.Values != nil {
		w.reason = strings.TrimSpace(ask.Values["reason"])
		return w, nil
	}
	return w, c.shortReason(w)
}
