package pagerduty

import (
	"context"
	"fmt"
	"net"
	"time"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Test is a service to which an event is sent to see that events become incidents. It is
// not the one that is paged, and its escalation policy should wake nobody.
type Test struct {
	// Page is where the event goes, with the integration key of that service.
	Page Settings
	// API is where that service is asked for the incident.
	API API
}

// testKey is the variable that the integration key of a test service stands in.
const testKey = "PAGERDUTY_TEST_ROUTING_KEY"

const (
	// testSends bounds how often the event is sent in one run.
	testSends = 3
	// opensWithin is how long an event may take to become an incident, and closesWithin how
	// long that may take to be resolved; every is the time between two looks.
	opensWithin  = 12 * time.Second
	closesWithin = 8 * time.Second
	every        = time.Second
	// resolveTime bounds the call that resolves it, whatever has become of the run.
	resolveTime = 5 * time.Second
)

// exercise sends the event, finds the incident and resolves it.
type exercise struct {
	pager  *Pager
	reader *Reader
	clock  incident.Clock
}

func newExercise(t *Test, dial func(ctx context.Context, network, addr string) (net.Conn, error), clock incident.Clock) exercise {
	if t == nil {
		return exercise{clock: clock}
	}
	return exercise{New(&t.Page, dial), NewReader(&t.API, dial), clock}
}

// none says that there is nothing to try without a test service.
func (e exercise) none(engine.Call) (engine.Outcome, bool) {
	if e.pager != nil {
		return engine.Outcome{}, false
	}
	const why = "the settings name no test service of PagerDuty (pagerduty.test_service)"
	return engine.Outcome{
		Summary: "not applicable: " + why, Evidence: map[string]string{"not_applicable": why},
		Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: e.clock.Now()},
	}, true
}

// Try sends the event under the run's token, waits until it is an incident of the test
// service, and resolves it. All sends of a run are one alert there. What may be open is
// resolved whatever became of the rest, and of the run.
func (e exercise) Try(ctx context.Context, c engine.Call, send int) (engine.Outcome, bool, error) {
	service := e.reader.api.Service
	key := fmt.Sprintf("%s/%s/%s", c.Incident, c.Step.ID, c.Token)
	o := engine.Outcome{Evidence: map[string]string{"dedup_key": key, "service": service, "send": fmt.Sprint(send)}, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: e.clock.Now()}}
	if err := e.pager.settings.plausible(testKey); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: err, Hint: "set it to the integration key of the service " + service}
	}
	began := e.clock.Now()
	_, err := e.pager.event(ctx, pd.V2Event{Action: "trigger", DedupKey: key, Payload: &pd.V2Payload{
		Summary: fmt.Sprintf("Test event of %s during %s: nothing has to be done, it is resolved at once", incident.Bot, c.Incident),
		Source:  c.Plan.Topology.Platform, Severity: "info", Timestamp: began.Format(time.RFC3339), Component: "regional failover",
	}})
	if err != nil {
		if incident.CallErrorOf(err).Unknown {
			if open := e.resolve(ctx, key); open != nil {
				err = fmt.Errorf("%w; %w", err, open)
			}
		}
		return o, false, hinted(fmt.Errorf("send the test event %s: %w", key, err), testKey, "")
	}
	opened, err := e.until(ctx, opensWithin, key, func(all []pd.Incident) bool { return len(all) > 0 })
	took := e.clock.Now().Sub(began)
	if unresolved := e.resolve(ctx, key); unresolved != nil {
		return o, false, unresolved
	}
	switch {
	case err != nil:
		return o, false, err
	case !opened:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("PagerDuty accepted the test event %s, and within %s it was no incident of the service %s: look whether the key is that service's, whether that is disabled, and at its event rules", key, text.Age(opensWithin), service)
		return o, false, nil
	}
	closed, err := e.until(ctx, closesWithin, key, func(all []pd.Incident) bool {
		for _, one := range all {
			if one.Status != "resolved" {
				return false
			}
		}
		return len(all) > 0
	})
	switch {
	case err != nil:
		return o, false, err
	case !closed:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("the test event %s is an incident of the service %s that was not resolved within %s: resolve it by hand", key, service, text.Age(closesWithin))
		return o, false, nil
	}
	limit := opensWithin.Seconds()
	o.Measured.Verdict, o.Measured.AsOf = incident.Pass, e.clock.Now()
	o.Measured.Figures = []incident.Figure{{Name: "from the event to the incident", Value: took.Round(time.Second).Seconds(), Unit: "s", Limit: &limit}}
	o.Summary = fmt.Sprintf("a test event was an incident of the service %s in PagerDuty within %s, and is resolved", service, text.Age(max(took, time.Second)))
	return o, true, nil
}

// resolve takes the event back, even where the run no longer wants to go on.
func (e exercise) resolve(ctx context.Context, key string) error {
	ctx, stop := e.clock.WithTimeout(context.WithoutCancel(ctx), resolveTime, fmt.Errorf("no answer within %s", resolveTime))
	defer stop()
	if _, err := e.pager.event(ctx, pd.V2Event{Action: "resolve", DedupKey: key}); err != nil {
		return hinted(fmt.Errorf("resolve the test event %s, which may be open: %w", key, err), testKey, "")
	}
	return nil
}

// until looks at the incidents with that key until they are so, for at most that long.
func (e exercise) until(ctx context.Context, within time.Duration, key string, so func(all []pd.Incident) bool) (bool, error) {
	for end := e.clock.Now().Add(within); ; {
		all, err := e.reader.incidents(ctx, key)
		if err != nil {
			return false, err
		}
		if so(all) {
			return true, nil
		}
		if !e.clock.Now().Add(every).Before(end) {
			return false, nil
		}
		if err := e.clock.Sleep(ctx, every); err != nil {
			return false, fmt.Errorf("wait for the test event %s: %w", key, err)
		}
	}
}
