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

// proofsFound are the proofs as findings, each tried.
func (c *Commands) proofsFound(ctx context.Context) []incident.Finding {
	if c.Proofs == nil {
		return nil
	}
	not := map[string]error{}
	for _, u := range c.Proofs.Try(ctx, checkProves) {
		not[u.Name+u.Where] = u.Err
	}
	var out []incident.Finding
	for _, p := range c.Proofs.List {
		f := incident.Finding{
			Step: "bot/" + p.Name + "/" + p.Where, Title: "The bot itself: " + p.Name, Gate: incident.GateRequired,
			Summary: "it is so", Measured: incident.Measured{Verdict: incident.Pass},
		}
		if p.Where != "" {
			f.Title += " (" + p.Where + ")"
		}
		if err := not[p.Name+p.Where]; err != nil {
			f.Summary, f.Measured.Verdict = text.Bare(err), incident.Fail
		}
		out = append(out, f)
	}
	return out
}

// unproved says what is not so, a line each.
func unproved(not []incident.Unproved) text.Text {
	var lines []text.Text
	for _, u := range not {
		lines = append(lines, text.Format("✗ %v", text.Quote(u.String())))
	}
	return text.Lines(lines...)
}
