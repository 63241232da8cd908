package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// Answers asks an API of a Region whether it is there. Nil says that it answered, be
// it with a refusal.
type Answers func(ctx context.Context, t runbook.Topology, region string) error

const (
	// sourceEvery is the time between two looks at the source, sourceWithin what one of
	// them may take.
	sourceEvery  = 10 * time.Second
	sourceWithin = 8 * time.Second
	sourceTries  = 3
)

// What the watch of the source compares. A Region is lost once two looks in a row have
// found that neither its own address nor its API answers: one lost packet is no outage.
const (
	answers = "answers"
	failing = "failing"
	lost    = "lost"
)

// Source watches whether the Region that is left still answers, by two things that
// have nothing in common but the Region: its own address, and an AWS API there. A
// planned failover needs both.
func (p *Probe) Source(api Answers) func(context.Context, engine.Call) (engine.Outcome, bool, error) {
	return func(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
		t, err := siteOf(c.Plan)
		if err != nil {
			return engine.Outcome{}, false, err
		}
		ctx, stop := p.clock.WithTimeout(ctx, sourceWithin, fmt.Errorf("no answer within %s", sourceWithin))
		defer stop()
		source := c.Plan.Source
		var own, there error
		incident.Together(p.clock, 2, func(i int) {
			if i == 0 {
				own = p.own(ctx, t, source)
			} else {
				there = api(ctx, t.Topology, source.Name)
			}
		})
		o := engine.Outcome{Evidence: map[string]string{"endpoint": source.Endpoint, "own address": said(own), "API": said(there)}}
		switch {
		case hopeless(own):
			return o, false, own
		case own == nil || there == nil:
			o.State, o.Measured.Verdict = answers, incident.Pass
			o.Summary = source.Name + " answers"
			return o, true, nil
		case errors.As(there, new(*awserr.Unsigned)):
			return o, false, fmt.Errorf("%s does not answer at its own address (%s), and its API could not be asked: %w", source.Name, oneLine(own), there)
		}
		o.Summary = source.Name + " answers neither at its own address nor by its RDS API"
		if was := c.Observed; was == nil || was.State != failing && was.State != lost {
			o.State, o.Measured.Verdict = failing, incident.Warn
			return o, false, nil
		}
		o.State, o.Measured.Verdict = lost, incident.Fail
		return o, false, nil
	}
}

// own asks a Region's own address for health pages, and is nil as soon as one of them
// is served.
func (p *Probe) own(ctx context.Context, t site, region runbook.Region) error {
	services := pages(t.Topology)
	if len(services) == 0 {
		return &incident.CallError{NeedsPerson: true, Err: errors.New("no service has a health page to ask for"), Hint: "set health for at least one service"}
	}
	faults := make([]error, sourceTries)
	incident.Together(p.clock, sourceTries, func(i int) {
		if faults[i] = p.clock.Sleep(ctx, time.Duration(i)*time.Second); faults[i] != nil {
			return
		}
		var r reply
		r, faults[i] = p.direct(ctx, t, region, get(services[i%len(services)].Health))
		if faults[i] == nil && r.status >= http.StatusInternalServerError {
			faults[i] = fmt.Errorf("status %d", r.status)
		}
	})
	for _, err := range faults {
		if err == nil || hopeless(err) {
			return err
		}
	}
	return faults[sourceTries-1]
}

func said(err error) string {
	if err == nil {
		return "answers"
	}
	return oneLine(err)
}
