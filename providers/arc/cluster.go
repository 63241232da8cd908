package arc

import (
	"context"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// cluster is the one that has the controls of a run's two Regions, as one action asks it.
type cluster struct {
	caller
	// endpoints in the order in which they are tried.
	endpoints []endpoint
	// source and target are the Regions, with their controls.
	source, target side
}

// side is a Region of the run and its control.
type side struct{ region, arn string }

// states are those of both controls, by ARN.
type states map[string]State

// cluster of a call. The endpoint that is tried first is another one each time, as AWS
// advises, and follows from the call, so that a rehearsal is the same when it is played
// again. The one in the Region that is left comes last: that Region may be gone.
func (a *ARC) cluster(c engine.Call) (*cluster, error) {
	p := c.Plan
	k := &cluster{source: side{region: p.Source.Name}, target: side{region: p.Target.Name}}
	for _, s := range []*side{&k.source, &k.target} {
		var err error
		if s.arn, err = ControlOf(p.Topology, s.region); err != nil {
			return nil, err
		}
	}
	all, err := endpointsOf(p.Topology)
	if err != nil {
		return nil, err
	}
	h := fnv.New32a()
	_, _ = fmt.Fprint(h, c.Incident, c.Step.ID, c.Clock.Now().UnixMilli()) // a hash takes everything
	first := int(h.Sum32() % uint32(len(all)))
	k.endpoints = slices.Concat(all[first:], all[:first])
	slices.SortStableFunc(k.endpoints, func(x, y endpoint) int {
		return asInt(x.region == p.Source.Name) - asInt(y.region == p.Source.Name)
	})
	// Credentials are those of the target's account settings, for every endpoint: a role may
	// be assumed there although the other Region is gone, and is good everywhere.
	config := a.config(p.Target.Name)
	k.caller = caller{config.Credentials, config.HTTPClient, c.Clock}
	return k, nil
}

func asInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// without is the cluster less the endpoint of a Region.
func (k *cluster) without(region string) *cluster {
	less := *k
	less.endpoints = slices.DeleteFunc(slices.Clone(k.endpoints), func(e endpoint) bool { return e.region == region })
	return &less
}

// at reads both controls at one endpoint.
func (k *cluster) at(ctx context.Context, e endpoint) (states, error) {
	arns := []string{k.source.arn, k.target.arn}
	said, faults := make([]State, len(arns)), make([]error, len(arns))
	incident.Together(k.clock, len(arns), func(i int) { said[i], faults[i] = k.get(ctx, e, arns[i]) })
	for i, err := range faults {
		if err != nil {
			return nil, fmt.Errorf("read routing control %s at the endpoint in %s: %w", short(arns[i]), e.region, awserr.SortRead(ctx, err))
		}
	}
	return states{arns[0]: said[0], arns[1]: said[1]}, nil
}

// read is what the first endpoint that answers says of both controls. What is refused for
// good at one is refused at all.
func (k *cluster) read(ctx context.Context) (states, endpoint, error) {
	var t tries
	for _, e := range k.endpoints {
		s, err := k.at(ctx, e)
		if err == nil {
			return s, e, nil
		}
		if t.add(ctx, err) {
			break
		}
	}
	return nil, endpoint{}, t.err("no endpoint of the cluster tells how the routing controls are")
}

// set gives both controls their states in one batch, at the first endpoint that takes it,
// which it returns. A state is set and not turned over, so a further endpoint may be asked
// although one before may have taken it.
func (k *cluster) set(ctx context.Context, to states) (endpoint, error) {
	var batch []setting
	for _, s := range []side{k.source, k.target} {
		batch = append(batch, setting{s.arn, to[s.arn]})
	}
	var t tries
	for _, e := range k.endpoints {
		err := k.update(ctx, e, batch)
		if err == nil {
			return e, nil
		}
		if t.add(ctx, refusedBy(ctx, e, err)) {
			break
		}
	}
	return endpoint{}, t.err("no endpoint of the cluster took the states")
}

// A safety rule refuses every change for a while after one that it has evaluated, five
// seconds unless it says otherwise, so that states do not flap. API references call that its
// wait period, or evaluation period.
// https://docs.aws.amazon.com/recovery-cluster/latest/api/assertionrule.html
var waitPeriod = regexp.MustCompile(`(?i)\b(wait|evaluation)[ -]?period`)

const waitAgain = 5 * time.Second

// refusedBy is the error of a change at one endpoint. A conflict is a safety rule that
// refuses, or a change that came too soon after another one; which, its words say. The
// latter may be sent again once that is over.
func refusedBy(ctx context.Context, e endpoint, err error) error {
	f := *incident.CallErrorOf(awserr.Sort(ctx, err))
	switch {
	case awserr.Code(err) != "ConflictException":
	case waitPeriod.MatchString(err.Error()):
		f.Retry, f.NeedsPerson, f.Unknown, f.After = true, false, false, waitAgain
		f.Hint = "a safety rule lets states rest for a while after each change: nobody need do anything, unless another one turns the same routing controls"
	default:
		f.Definite = true
		f.Hint = "a safety rule refuses these states, or another change was made seconds ago: read what it says, set what the rule asks for, then retry. The bot overrides no safety rule; who may can do it in the console"
	}
	f.Err = fmt.Errorf("at the endpoint in %s: %w", e.region, f.Err)
	return &f
}

// tries are what endpoints answered that did not do what they were asked.
type tries struct {
	faults []*incident.CallError
	final  bool
}

// add takes an answer, and says whether trying on is of no use: it is a refusal with a name,
// for good or for a while, which every endpoint would give, or nobody waits any more.
func (t *tries) add(ctx context.Context, err error) (final bool) {
	f := incident.CallErrorOf(err)
	t.faults = append(t.faults, f)
	t.final = (f.NeedsPerson || f.After > 0 && awserr.Code(err) == "ConflictException") && !f.Unknown && awserr.Code(err) != ""
	return t.final || ctx.Err() != nil
}

// err is all of it as one error: a refusal that is final alone, anything else with what
// each endpoint said. It may have happened if it may have at one of them.
func (t *tries) err(says string) error {
	last := t.faults[len(t.faults)-1]
	out := *last
	for _, f := range t.faults {
		out.Unknown = out.Unknown || f.Unknown
		out.NeedsPerson = out.NeedsPerson && f.NeedsPerson || t.final && last.NeedsPerson
		if out.Hint == "" {
			out.Hint = f.Hint
		}
	}
	out.Retry = !out.Unknown && !out.NeedsPerson
	if out.Unknown {
		out.Definite = false
	}
	if t.final {
		return &out
	}
	if out.Cause != nil && out.Cause.System != "" {
		out.Cause = nil // it is that of one endpoint
	}
	var each []string
	for _, f := range t.faults {
		if !slices.Contains(each, f.Error()) {
			each = append(each, f.Error())
		}
	}
	out.Err = fmt.Errorf("%s: %w", says, &several{strings.Join(each, "; "), t.faults})
	return &out
}

// several are errors in one sentence.
type several struct {
	text   string
	faults []*incident.CallError
}

// Error is the sentence.
func (s *several) Error() string { return s.text }

// Unwrap are the errors.
func (s *several) Unwrap() []error {
	out := make([]error, len(s.faults))
	for i, f := range s.faults {
		out[i] = f
	}
	return out
}

// short is what tells controls of a panel apart.
func short(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }
