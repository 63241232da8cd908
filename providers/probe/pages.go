package probe

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// read is what stands in a Region's own page under keys with dots between, and how it was
// answered. Its errors say why it is not known.
func (p *Probe) read(ctx context.Context, t site, r runbook.Region, page, field string) (values []string, answer string, err error) {
	back, err := p.direct(ctx, t, r, get(page))
	if err != nil {
		return nil, "", err
	}
	if err := from(back, r); err != nil {
		return nil, back.told(), err
	}
	values, err = found(back.body, field)
	if err == nil && len(values) == 0 {
		err = fmt.Errorf("its answer has nothing at %q", field)
	}
	return values, back.told(), err
}

// unread is the fault of a page that does not tell what it is there for.
func unread(err error, what, hint string) error {
	if hopeless(err) {
		return err
	}
	return &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("%s is unknown: %w", what, err), Hint: hint}
}

// InFlight waits until the platform's own page says that nothing is in hand in the Region
// that is left. Without such a page nobody can tell, and it is an error.
func (p *Probe) InFlight(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	source := c.Plan.Source
	what := "how much the platform has in hand in " + source.Name
	if t.InFlightPage == "" {
		return engine.Outcome{}, false, unread(errors.New("the settings name no page that tells it"), what, "name one under platform.probe.in_flight_page")
	}
	o := engine.Outcome{Evidence: map[string]string{"page": t.InFlightPage}}
	const hint = "look at platform.probe.in_flight_page in the settings: its page has to answer while the services that write are stopped"
	values, answer, err := p.read(ctx, t, source, t.InFlightPage, t.InFlightField)
	if answer != "" {
		o.Evidence["answer"] = answer
	}
	n := 0
	for _, v := range values {
		one, fault := strconv.Atoi(v)
		if fault != nil || one < 0 {
			err = errors.Join(err, fmt.Errorf("%q is no number of what is in hand", v))
		}
		n += one
	}
	if err != nil {
		return o, false, unread(err, what, hint)
	}
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: p.clock.Now(), Figures: []incident.Figure{{Name: "in hand", Value: float64(n), Unit: "requests", Limit: new(float64)}}}
	if n > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s in %s says that %d are in hand", t.InFlightPage, source.Name, n)
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("%s in %s says that nothing is in hand", t.InFlightPage, source.Name)
	return o, true, nil
}

// Schema checks that the services of both Regions say that they are made for the same version
// of the database's schema. The schema itself is the database's, which is the same in both.
func (p *Probe) Schema(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target, source := c.Plan.Target, c.Plan.Source
	what := fmt.Sprintf("whether the services in %s and %s are made for the same schema", target.Name, source.Name)
	if t.SchemaPage == "" {
		return engine.Outcome{}, false, unread(errors.New("the settings name no page that tells its version"), what, "name one under platform.probe.schema_page, or compare what was deployed in each Region")
	}
	o := engine.Outcome{Evidence: map[string]string{"page": t.SchemaPage}, Measured: incident.Measured{Verdict: incident.Pass}}
	regions := []runbook.Region{target, source}
	said, faults := make([]string, len(regions)), make([]error, len(regions))
	answers := make([]string, len(regions))
	incident.Together(p.clock, len(regions), func(i int) {
		var values []string
		values, answers[i], faults[i] = p.read(ctx, t, regions[i], t.SchemaPage, t.SchemaField)
		said[i] = strings.Join(values, ", ")
	})
	o.Measured.AsOf = p.clock.Now()
	for i, r := range regions {
		if answers[i] != "" {
			o.Evidence["answer of "+r.Name] = answers[i]
		}
		if faults[i] != nil {
			return o, false, unread(fmt.Errorf("%s in %s: %w", t.SchemaPage, r.Name, faults[i]), what, "look at platform.probe.schema_page in the settings: its page has to answer in both Regions, also where services are stopped")
		}
		o.Evidence[r.Name] = text.Shorten(said[i], 100)
	}
	if said[0] != said[1] {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("the services in %s are made for schema %s, and those that serve in %s for %s", target.Name, o.Evidence[target.Name], source.Name, o.Evidence[source.Name])
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("the services of both Regions are made for schema %s", o.Evidence[target.Name])
	return o, true, nil
}
