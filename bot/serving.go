package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// serves says whether one Region serves users now: its database writes, and the
// zone's own servers give its addresses alone. Neither asks another Region.
func (o Options) serves(catalog engine.Catalog) func(context.Context, string) (bool, string, error) {
	return func(ctx context.Context, region string) (bool, string, error) {
		call := o.towards(region)
		var seen []string
		for _, a := range append(catalog.Showing(incident.DatabaseWrites), catalog.Showing(incident.NamesMoved)...) {
			found, yes, err := a.Look(ctx, call)
			seen = append(seen, found.Summary)
			if err != nil || !yes {
				return false, strings.Join(seen, "; "), err
			}
		}
		return true, strings.Join(seen, "; "), nil
	}
}

// towards is the call of an action that looks at a Region as a run's target.
func (o Options) towards(region string) engine.Call {
	call := engine.Call{
		Plan:  &runbook.Plan{Mode: "planned", Topology: o.Topology, Target: o.Topology.Regions[region]},
		Began: o.Clock.Now(), Impact: o.Clock.Now(), Clock: o.Clock,
		Result: func(string) (engine.Outcome, bool) { return engine.Outcome{}, false },
		Task:   func(string) (incident.Task, bool) { return incident.Task{}, false },
	}
	for name, other := range o.Topology.Regions {
		if name != region {
			call.Plan.Source = other
		}
	}
	return call
}

// signs are what the database, the cache, DNS and the takeover object each say of whether a
// Region serves. All are asked at once, and none asks another Region.
func (o Options) signs(catalog engine.Catalog) func(context.Context, string) []commands.Sign {
	kinds := []struct {
		shows incident.Trait
		sign  commands.Sign
	}{
		{incident.DatabaseWrites, commands.Sign{What: "Database", Serves: true}},
		{incident.CacheLeads, commands.Sign{What: "Cache"}},
		{incident.NamesMoved, commands.Sign{What: "DNS", Serves: true, ByItself: true}},
		{incident.TakeoverPut, commands.Sign{What: "Takeover object", Silent: true}},
	}
	return func(ctx context.Context, region string) []commands.Sign {
		call, out := o.towards(region), make([]commands.Sign, len(kinds))
		incident.Together(o.Clock, len(kinds), func(i int) {
			out[i] = kinds[i].sign
			for _, a := range catalog.Showing(kinds[i].shows) {
				var found engine.Outcome
				found, out[i].Yes, out[i].Err = a.Look(ctx, call)
				out[i].Says = found.Summary
			}
		})
		return out
	}
}

// active finds the Region that serves users now. All are asked at once, because
// one of them may never answer.
func (o Options) active(catalog engine.Catalog) func(context.Context) (string, string, error) {
	const limit = 8 * time.Second
	type answer struct {
		region, evidence string
		yes              bool
		err              error
	}
	serves := o.serves(catalog)
	return func(ctx context.Context) (string, string, error) {
		ctx, stop := o.Clock.WithTimeout(ctx, limit, fmt.Errorf("not found out within %s", limit))
		defer stop()
		all := make(chan answer, len(o.Topology.Regions))
		for region := range o.Topology.Regions {
			done := o.Clock.Busy()
			go func() { // ends with ctx at the latest
				defer done()
				yes, evidence, err := serves(ctx, region)
				all <- answer{region, evidence, yes, err}
			}()
		}
		var unknown error
		said := map[string]string{}
		for range o.Topology.Regions {
			resume := o.Clock.Idle()
			f := <-all
			resume()
			if f.yes {
				return f.region, f.evidence, nil
			}
			unknown = errors.Join(unknown, f.err)
			said[f.region] = f.evidence
		}
		if unknown == nil {
			var each []string
			for _, region := range slices.Sorted(maps.Keys(said)) {
				each = append(each, region+": "+said[region])
			}
			unknown = fmt.Errorf("no Region has both the writing database and the zone's answers (%s)", strings.Join(each, "; "))
		}
		return "", "", unknown
	}
}
