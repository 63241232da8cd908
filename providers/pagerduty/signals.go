package pagerduty

import (
	"context"
	"fmt"
	"slices"

	pd "github.com/PagerDuty/go-pagerduty"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Signals reads whether the service that is paged has an incident open. Without an API to
// ask there is no such signal.
func Signals(reader *Reader, clock incident.Clock) []detect.Reader {
	if reader == nil {
		return nil
	}
	return []detect.Reader{{Kind: detect.Pager, Read: func(ctx context.Context, _ detect.Pair) []detect.Signal {
		s := detect.Signal{Kind: detect.Pager, Measured: incident.Measured{Verdict: incident.Unsure, AsOf: clock.Now()}}
		open, more, err := reader.open(ctx)
		switch {
		case err != nil:
			s.Summary = fmt.Sprintf("whether PagerDuty has an incident open is not known: %s", incident.CallErrorOf(err).Err)
		case len(open) == 0:
			s.Verdict, s.Summary = incident.Pass, "PagerDuty has no incident open of the service "+reader.api.Service
		default:
			s.Verdict = incident.Fail
			s.Figures = []incident.Figure{{Name: "open incidents", Value: float64(len(open)), Unit: "incidents"}}
			many := text.Count(len(open), "incident")
			if more {
				many = fmt.Sprintf("more than %d incidents", len(open))
			}
			s.Summary = fmt.Sprintf("PagerDuty has %s open, the newest: %s", many, text.Shorten(text.Inline(open[0].Title), 120))
		}
		return []detect.Signal{s}
	}}}
}

// open are the incidents of the service that nobody has resolved, the newest first; more says
// that there are others.
func (r *Reader) open(ctx context.Context) ([]pd.Incident, bool, error) {
	if err := r.api.Plausible(); err != nil {
		return nil, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("read the open incidents of PagerDuty: %w", err), Hint: "set PAGERDUTY_API_TOKEN"}
	}
	got, err := r.client.ListIncidentsWithContext(ctx, pd.ListIncidentsOptions{
		ServiceIDs: []string{r.api.Service}, Statuses: []string{"triggered", "acknowledged"}, SortBy: "created_at:desc", Limit: 25,
	})
	if err != nil {
		return nil, false, r.fault(ctx, "read the open incidents of PagerDuty", err)
	}
	open := slices.DeleteFunc(got.Incidents, func(i pd.Incident) bool { return i.Status == "resolved" })
	return open, got.More, nil
}
