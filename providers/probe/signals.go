package probe

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Signals reads, from here, whether each Region serves health pages at its own address, and
// whether anything else is reached: control are addresses, host:port, of which one that can
// be connected to is enough.
func Signals(dial Dial, resolve Resolve, clock incident.Clock, control func(runbook.Topology) []string) []detect.Reader {
	p := New(dial, resolve, clock, "")
	return []detect.Reader{
		{Kind: detect.Pages, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			regions := []runbook.Region{at.Source, at.Target}
			out := make([]detect.Signal, len(regions))
			incident.Together(clock, len(regions), func(i int) { out[i] = p.served(ctx, at.Topology, regions[i]) })
			return out
		}},
		{Kind: detect.Control, Read: func(ctx context.Context, at detect.Pair) []detect.Signal {
			return []detect.Signal{p.reached(ctx, control(at.Topology))}
		}},
	}
}

// served asks a Region's own address for every health page once. It is well while at
// least half of them are served.
func (p *Probe) served(ctx context.Context, topology runbook.Topology, region runbook.Region) detect.Signal {
	s := detect.Signal{Kind: detect.Pages, Region: region.Name, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: p.clock.Now()}}
	t, err := siteOf(&runbook.Plan{Topology: topology})
	services := pages(topology)
	if err != nil || len(services) == 0 {
		s.Summary = "no service has a health page to ask for"
		return s
	}
	ctx, stop := p.clock.WithTimeout(ctx, patient, fmt.Errorf("no answer within %s", patient))
	defer stop()
	replies, faults := make([]reply, len(services)), make([]error, len(services))
	incident.Together(p.clock, len(services), func(i int) { replies[i], faults[i] = p.direct(ctx, t, region, get(services[i].Health)) })
	well, last := 0, ""
	for i, err := range faults {
		switch {
		case hopeless(err):
			s.Summary = oneLine(err)
			return s
		case err != nil:
			last = plainly(err)
		case replies[i].status >= http.StatusInternalServerError:
			last = fmt.Sprintf("status %d", replies[i].status)
		default:
			well++
		}
	}
	s.Figures = []incident.Figure{{Name: "pages served", Value: float64(well), Unit: "pages"}}
	s.Verdict = incident.Fail
	s.Summary = fmt.Sprintf("%d of %s served at its own address", well, text.Count(len(services), "health page"))
	if 2*well >= len(services) {
		s.Verdict = incident.Pass
	}
	if last != "" {
		s.Summary += " (last: " + last + ")"
	}
	return s
}

// plainly is an error for a sentence, in which it is said already that a time was over.
func plainly(err error) string { return strings.TrimSuffix(text.Bare(err), ": "+text.NoAnswer) }

// firstly is how long the first of some addresses has before the others are tried.
const firstly = 2 * time.Second

// reached says whether any of some addresses can be connected to.
func (p *Probe) reached(ctx context.Context, control []string) detect.Signal {
	s := detect.Signal{Kind: detect.Control, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: p.clock.Now()}}
	if len(control) == 0 {
		s.Summary = "there is no other address to reach"
		return s
	}
	ctx, stop := p.clock.WithTimeout(ctx, patient, fmt.Errorf("no answer within %s", patient))
	defer stop()
	faults := make([]error, len(control))
	try := func(ctx context.Context, i int) {
		conn, err := p.dial(ctx, "tcp", control[i])
		if faults[i] = err; err == nil {
			_ = conn.Close() // it was only to be opened
		}
	}
	// Day after day the first one is enough.
	first, enough := p.clock.WithTimeout(ctx, firstly, fmt.Errorf("no answer within %s", firstly))
	try(first, 0)
	enough()
	if faults[0] != nil {
		incident.Together(p.clock, len(control)-1, func(i int) { try(ctx, i+1) })
	}
	for i, err := range faults {
		if err == nil {
			s.Verdict, s.Summary = incident.Pass, control[i]+" is reached"
			return s
		}
	}
	s.Verdict, s.Summary = incident.Fail, fmt.Sprintf("none of %s is reached (last: %s)", text.Count(len(control), "address outside both Regions"), plainly(because(ctx, faults[len(faults)-1])))
	return s
}
