package commands

import (
	"context"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// servers begins a run that moves the servers of Elastic Disaster Recovery. The users of the
// platform stay where they are, so no Region is asked whether it serves.
func (c *Commands) servers(ctx context.Context, ask Ask, who Person) Answer {
	w, err := c.requestedServers(ask)
	if err != nil {
		return *c.answerTo(err, false)
	}
	return c.beginApart(ctx, ask, who, w, func(source string) Answer {
		if !ask.CanForm {
			return *refused("What is missing: the reason. Say it in one line: {servers %s it is well again there}.", w.target)
		}
		return Answer{Form: &Form{
			Verb: "servers", On: w.target, Title: "Move the servers", Submit: "Start",
			Text:   text.Format("%v Users of the platform stay where they are. Nothing changes before somebody presses Go.", text.Heading("The servers of Elastic Disaster Recovery are moved from %s to %s.", source, w.target)),
			Fields: []Field{{Name: "reason", Label: "Reason", Hint: everybodyReads, Lines: true}},
		}}
	})
}

// requestedServers reads [REGION] REASON. Without a Region the home one is meant; the word
// home means it, too.
func (c *Commands) requestedServers(ask Ask) (request, error) {
	w := request{kind: incident.MoveServers, mode: planned, target: c.Topology.Home}
	words := strings.TrimSpace(ask.On + " " + ask.Text)
	word, rest := cut(words)
	switch region := c.region(word); {
	case region != "":
		w.target, words = region, rest
	case text.Fold(word) == "home":
		words = rest
	case regionLike.MatchString(text.Fold(word)):
		return w, c.unknownRegion(word, "servers")
	}
	w.reason = strings.TrimSpace(words)
	if ask.Values != nil {
		w.reason = strings.TrimSpace(ask.Values["reason"])
		return w, nil
	}
	return w, c.shortReason(w)
}
