package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// Copy is the copy of a database snapshot whose orders are asked for.
type Copy struct {
	Region, Name string
	// After is the last order that the Region that is asked had received; may be empty.
	After string
}

// Missing are the ids of the orders that are in a copy and not in the database of a Region,
// oldest first and perhaps none, as the platform tells them at the Region's own address.
// page is the path that was asked; empty, without an error, where the settings name none.
// An error says why they are not known, or not yet.
func (p *Probe) Missing(ctx context.Context, topology runbook.Topology, r runbook.Region, c Copy) (ids []string, page string, err error) {
	s, err := runbook.PartOf[Settings](topology, Platform.Key)
	if err != nil || s.LostOrders == "" {
		return nil, "", err
	}
	t := site{topology, s}
	ask := url.Values{"snapshot": {c.Name}, "region": {c.Region}}
	if c.After != "" {
		ask.Set("after", c.After)
	}
	between := "?"
	if strings.Contains(t.LostOrders, "?") {
		between = "&"
	}
	back, err := p.direct(ctx, t, r, get(t.LostOrders+between+ask.Encode()))
	again := err != nil || back.busy() || back.status == http.StatusAccepted // another try may get an answer
	switch {
	case err != nil:
	case back.status == http.StatusAccepted && back.region == r.Name:
		err = errors.New("it is not compared yet (status 202)")
	default:
		if err = from(back, r); err == nil {
			ids, err = found(back.body, t.LostOrdersID)
		}
	}
	switch {
	case hopeless(err):
		return nil, t.LostOrders, err
	case err != nil:
		return nil, t.LostOrders, &incident.CallError{
			Retry: again, NeedsPerson: !again, Err: fmt.Errorf("%s in %s: %w", t.LostOrders, r.Name, err),
			Hint: "look at platform.probe.lost_orders in the settings",
		}
	}
	return ids, t.LostOrders, nil
}
