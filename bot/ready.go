package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// How long one proof may take, and how long one holds before an incident that begins
// has it tried again.
const (
	proveWithin = 5 * time.Second
	proofHolds  = 10 * time.Minute
)

// Plans proves that every kind of run can be planned: a failover in both modes
// towards each Region, and an undo of all that such a run changes.
func Plans(t runbook.Topology, catalog runbook.Catalog, compile func(runbook.Facts) (*runbook.Plan, error), clock incident.Clock) []incident.Proof {
	var out []incident.Proof
	for _, target := range slices.Sorted(maps.Keys(t.Regions)) {
		if target == t.Home {
			continue
		}
		for _, mode := range []string{"planned", "unplanned"} {
			out = append(out, incident.Proof{
				Name: "the runbook makes a plan, " + mode + ", and an undo of it", Where: target,
				Prove: func(context.Context) error {
					f := runbook.Facts{
						Incident: string(incident.NewID(clock.Now().Year(), 0, "")), Mode: mode, Severity: "SEV-1", Reason: "proof",
						Source: t.Regions[t.Home], Target: t.Regions[target], Topology: t,
					}
					f.Source.Name, f.Target.Name = t.Home, target
					plan, err := compile(f)
					if err != nil {
						return err
					}
					return undoable(plan, catalog)
				},
			})
		}
	}
	return out
}

// undoable says which changes of a plan can neither be taken back nor say that
// nothing is left to take back.
func undoable(plan *runbook.Plan, catalog runbook.Catalog) error {
	var all []runbook.Changed
	for _, s := range plan.Steps {
		if s.Kind == runbook.Change {
			all = append(all, runbook.Changed{Step: s.ID, Prior: []byte("{}")})
		}
	}
	if _, _, err := plan.Undo(all); err != nil {
		return fmt.Errorf("plan the undo: %w", err)
	}
	var lacks []string
	for _, s := range plan.Steps {
		if a := catalog[s.Uses]; s.Kind == runbook.Change && !s.NoReturn && !a.Undoable && a.Leaves == "" {
			lacks = append(lacks, s.ID+" ("+s.Uses+")")
		}
	}
	if len(lacks) > 0 {
		return errors.New("these changes have no undo and do not say that nothing is left: " + strings.Join(lacks, ", "))
	}
	return nil
}

// prover is a record that can be tried.
type prover interface {
	Prove(ctx context.Context) error
}

// Recorded proves that the record can be written and read.
func Recorded(log incident.Log) []incident.Proof {
	p, ok := log.(prover)
	if !ok {
		return nil
	}
	return []incident.Proof{{Name: "the record can be written", Where: "Redis", Prove: p.Prove}}
}

// proofs are what this replica is relied on for.
func (b *Bot) proofs(catalog runbook.Catalog, compile func(runbook.Facts) (*runbook.Plan, error)) *incident.Proofs {
	reached := func(f func(ctx context.Context) error) func(context.Context) error {
		return func(ctx context.Context) error {
			if b.reached.Load() == nil {
				return errors.New("Slack has not been reached yet; it is tried again")
			}
			return f(ctx)
		}
	}
	list := append(Plans(b.Topology, catalog, compile, b.Clock), Recorded(b.Record)...)
	list = append(list,
		incident.Proof{Name: "the channel can be posted to", Where: b.Channel, Prove: reached(func(ctx context.Context) error {
			return b.reached.Load().CanPost(ctx, b.Channel)
		})},
		incident.Proof{Name: "the people of the roster can act", Where: "Slack", Prove: reached(func(ctx context.Context) error {
			return b.reached.Load().Knows(ctx, b.Roster)
		})},
	)
	if !b.Detection.Off {
		list = append(list, incident.Proof{Name: "the platform is seen from here", Where: "this replica", Prove: func(context.Context) error {
			if why := b.cutOff.Load(); why != nil && *why != "" {
				return errors.New(*why)
			}
			return nil
		}})
	}
	if page := b.Connections.Page; page != nil {
		list = append(list, incident.Proof{Name: "people on call can be paged", Where: "PagerDuty", Prove: func(context.Context) error { return page.Plausible() }})
	}
	return &incident.Proofs{Clock: b.Clock, List: list, Holds: proofHolds}
}

// Prove tries all that this replica is relied on for, within seconds whatever does not
// answer, and returns what is not so.
func (b *Bot) Prove(ctx context.Context) []incident.Unproved { return b.ready.Try(ctx, proveWithin) }

// Watch tries again what is not so until nothing is left, and calls told with what is
// left whenever that has changed. It returns then, or when ctx ends.
func (b *Bot) Watch(ctx context.Context, not []incident.Unproved, told func([]incident.Unproved)) {
	const every = 10 * time.Second
	for len(not) > 0 {
		if b.Clock.Sleep(ctx, every) != nil {
			return
		}
		now := b.ready.Missing(ctx, proveWithin)
		if ctx.Err() != nil {
			return
		}
		if !slices.EqualFunc(now, not, func(a, b incident.Unproved) bool { return a.String() == b.String() }) {
			told(now)
		}
		not = now
	}
}
