package commands

import (
	"context"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// How long a proof may take while somebody waits for the answer to check or start.
const (
	checkProves = 5 * time.Second
	startProves = 2 * time.Second
)

// proved are the proofs that check has tried, a line each.
func (c *Commands) proved(ctx context.Context) text.Text {
	if c.Proofs == nil || len(c.Proofs.List) == 0 {
		return text.Text{}
	}
	not := c.Proofs.Try(ctx, checkProves)
	if len(not) == 0 {
		return text.Format("The bot itself: %s, all so.", text.Count(len(c.Proofs.List), "proof"))
	}
	return unproved(not)
}

// unproved says what is not so, a line each.
func unproved(not []incident.Unproved) text.Text {
	var lines []text.Text
	for _, u := range not {
		lines = append(lines, text.Format("✗ %v", text.Quote(u.String())))
	}
	return text.Lines(lines...)
}
