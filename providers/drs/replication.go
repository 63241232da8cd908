package drs

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/drs"
	"github.com/aws/aws-sdk-go-v2/service/drs/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/awserr"
)

// stateOf is the replication of a source server.
func stateOf(s *types.SourceServer) types.DataReplicationState {
	if s.DataReplicationInfo == nil {
		return ""
	}
	return s.DataReplicationInfo.DataReplicationState
}

// lagOf is how far it is behind; ok is false where it is not told, or in a way that cannot
// be read.
func lagOf(s *types.SourceServer) (lag time.Duration, ok bool) {
	if s.DataReplicationInfo == nil {
		return 0, false
	}
	return duration(aws.ToString(s.DataReplicationInfo.LagDuration))
}

// duration reads one of ISO 8601, which is what the service writes: P1DT2H3M4.5S.
func duration(s string) (time.Duration, bool) {
	rest, is := strings.CutPrefix(s, "P")
	if !is || rest == "" {
		return 0, false
	}
	days, clock, timed := strings.Cut(rest, "T")
	if timed && clock == "" {
		return 0, false
	}
	var sum time.Duration
	for _, part := range []struct {
		text  string
		units map[byte]time.Duration
	}{
		{days, map[byte]time.Duration{'D': 24 * time.Hour, 'W': 7 * 24 * time.Hour}},
		{clock, map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second}},
	} {
		for part.text != "" {
			n := strings.IndexFunc(part.text, func(r rune) bool { return r >= 'A' && r <= 'Z' })
			if n <= 0 {
				return 0, false
			}
			v, err := strconv.ParseFloat(part.text[:n], 64)
			unit := part.units[part.text[n]]
			if err != nil || unit == 0 || v < 0 {
				return 0, false
			}
			sum += time.Duration(v * float64(unit))
			part.text = part.text[n+1:]
		}
	}
	return sum, true
}

// ReverseInput is the input of Reverse.
type ReverseInput struct {
	// Launched says that the servers are those that the run has launched in the target, so
	// that the Region that is left becomes their copy; without it they are those of the
	// Region that is left.
	Launched bool `yaml:"launched,omitempty" json:"launched,omitempty"`
}

const (
	reverseUndo = "stop the replication of the reversed server, which deletes its points in time; the server itself runs on"
)

// reversal is one server whose replication is reversed: it runs in a Region, and goes to
// the other one, which is to have its copy.
type reversal struct {
	server
	runs, goes string
}

// reversal reads the server that the step is about.
func (d *DRS) reversal(ctx context.Context, c engine.Call) (reversal, error) {
	var in ReverseInput
	if err := c.With(&in); err != nil {
		return reversal{}, err
	}
	r := reversal{runs: c.Plan.Source.Name, goes: c.Plan.Target.Name}
	if in.Launched {
		r.runs, r.goes = r.goes, r.runs
	}
	f, err := d.fleet(ctx, r.runs, r.goes)
	if err != nil {
		return r, err
	}
	for _, s := range f.servers {
		if s.id() == c.Step.Item {
			r.server = s
			return r, nil
		}
	}
	return r, &incident.CallError{
		NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s does not run in %s any more", c.Step.Item, r.runs),
		Hint: "start it there again, and retry",
	}
}

// replicating says whether the server's replication runs in the reverse direction, on its
// way or there.
func (r *reversal) replicating() bool {
	if r.client() {
		b := r.instance.Failback
		return b != nil && b.State != types.FailbackStateFailbackNotStarted
	}
	return r.target() != "" && stateOf(r.to) != types.DataReplicationStateStopped
}

func (r *reversal) outcome() engine.Outcome {
	o := engine.Outcome{Evidence: map[string]string{"recovery instance": r.id(), "server": r.name(), "runs in": r.runs}}
	if r.to != nil {
		o.Evidence["source server"] = r.target() + " in " + r.goes
		o.Evidence["replication"] = string(stateOf(r.to))
	}
	return o
}

// reversed is what is recorded of a server before its replication is reversed.
type reversed struct {
	Instance string `json:"instance"`
}

// Reverse reports whether a server is replicated towards the Region that is to have it: a
// source server is there, and is not stopped.
func (d *DRS) Reverse(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	r, err := d.reversal(ctx, c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := r.outcome()
	if r.replicating() {
		o.Summary = fmt.Sprintf("%s is replicated from %s to %s: %s", r.name(), r.runs, r.goes, r.how())
		return o, true, nil
	}
	o.Summary = fmt.Sprintf("%s is not replicated from %s to %s", r.name(), r.runs, r.goes)
	o.Before = "not replicated to " + r.goes
	if o.Prior, err = json.Marshal(reversed{r.id()}); err != nil {
		return o, false, &incident.CallError{NeedsPerson: true, Err: fmt.Errorf("write down the replication of %s: %w", r.id(), err)}
	}
	return o, false, nil
}

// how is where the replication of a server is.
func (r *reversal) how() string {
	if r.client() {
		return string(r.instance.Failback.State)
	}
	return r.target() + ", " + string(stateOf(r.to))
}

// ReverseDo asks for the replication, or has that of a server that was stopped before go on.
func (d *DRS) ReverseDo(ctx context.Context, c engine.Call) (engine.Outcome, error) {
	r, err := d.reversal(ctx, c)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := r.outcome()
	switch {
	case r.replicating():
		o.Summary = fmt.Sprintf("%s is replicated already: %s", r.name(), r.how())
		return o, nil
	case r.client():
		return o, &incident.CallError{
			NeedsPerson: true, Definite: true, Err: fmt.Errorf("%s came from another place than EC2: the Failback Client replicates it, and it has not begun", r.name()),
			Hint: "boot the machine that is to have it with the Failback Client, pair it with " + r.id() + ", and retry",
		}
	case r.target() != "":
		out, err := d.in(r.goes).StartReplication(ctx, &drs.StartReplicationInput{SourceServerID: aws.String(r.target())}, once)
		if err != nil {
			return o, fmt.Errorf("have the replication of %s to %s go on: %w", r.name(), r.goes, awserr.Sort(ctx, err))
		}
		if out.SourceServer != nil {
			o.Evidence["replication"] = string(stateOf(out.SourceServer))
		}
		o.Summary = fmt.Sprintf("the replication of %s to %s goes on: %s", r.name(), r.goes, r.target())
		return o, nil
	}
	out, err := d.in(r.runs).ReverseReplication(ctx, &drs.ReverseReplicationInput{RecoveryInstanceID: aws.String(r.id())}, once)
	if err != nil {
		return o, fmt.Errorf("reverse the replication of %s: %w", r.name(), awserr.Sort(ctx, err))
	}
	arn := aws.ToString(out.ReversedDirectionSourceServerArn)
	o.Evidence["source server"] = arn
	o.Summary = fmt.Sprintf("the replication of %s is reversed: %s to %s as %s", r.name(), r.runs, r.goes, arn[strings.LastIndex(arn, "/")+1:])
	return o, nil
}

// ReverseEffect says what would happen now.
func (d *DRS) ReverseEffect(ctx context.Context, c engine.Call) (incident.Effect, error) {
	r, err := d.reversal(ctx, c)
	if err != nil {
		return incident.Effect{}, err
	}
	return incident.Effect{
		Step: c.Step.ID, What: fmt.Sprintf("ReverseReplication %s: %s is replicated from %s to %s, while it goes on to serve", r.id(), r.name(), r.runs, r.goes),
		Undo:  reverseUndo,
		Bound: "reverse " + r.id() + " to " + r.goes,
	}, nil
}

// unreversed reads the server as it stands to what was recorded of it.
func (d *DRS) unreversed(ctx context.Context, c engine.Call, prior json.RawMessage) (reversal, bool, error) {
	if _, err := engine.Recorded[reversed](prior); err != nil {
		return reversal{}, false, err //nolint:wrapcheck // says what cannot be read
	}
	r, err := d.reversal(ctx, c)
	if err != nil || !r.replicating() {
		return r, err == nil, err
	}
	if s := stateOf(r.to); s == types.DataReplicationStateDisconnected {
		err = c.Meanwhile(engine.Difference{What: "the replication of " + r.name() + " to " + r.goes, Now: string(s), Set: "replicating", Was: "not there"})
	}
	return r, false, err
}

// ReverseLookBack reports whether the server is not replicated any more.
func (d *DRS) ReverseLookBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, bool, error) {
	r, back, err := d.unreversed(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := r.outcome()
	if back {
		o.Summary = fmt.Sprintf("%s is not replicated to %s", r.name(), r.goes)
	} else {
		o.Summary = fmt.Sprintf("%s is replicated to %s: %s", r.name(), r.goes, r.how())
	}
	return o, back, nil
}

// ReverseBack stops the replication that Reverse had asked for.
func (d *DRS) ReverseBack(ctx context.Context, c engine.Call, prior json.RawMessage) (engine.Outcome, error) {
	r, back, err := d.unreversed(ctx, c, prior)
	if err != nil {
		return engine.Outcome{}, err
	}
	o := r.outcome()
	switch {
	case back:
		o.Summary = fmt.Sprintf("%s was not replicated to %s any more already", r.name(), r.goes)
		return o, nil
	case r.client():
		if _, err := d.in(r.runs).StopFailback(ctx, &drs.StopFailbackInput{RecoveryInstanceID: aws.String(r.id())}, once); err != nil {
			return o, fmt.Errorf("stop the failback of %s: %w", r.name(), awserr.Sort(ctx, err))
		}
	default:
		if _, err := d.in(r.goes).StopReplication(ctx, &drs.StopReplicationInput{SourceServerID: aws.String(r.target())}, once); err != nil {
			return o, fmt.Errorf("stop the replication of %s to %s: %w", r.name(), r.goes, awserr.Sort(ctx, err))
		}
	}
	o.Summary = fmt.Sprintf("the replication of %s to %s was stopped; it runs on in %s", r.name(), r.goes, r.runs)
	return o, nil
}

// ReplicatedInput is the input of Replicated.
type ReplicatedInput struct {
	// Servers is the step that found which they are.
	Servers string `yaml:"servers" json:"servers"`
	// Launched: they run in the target, and the Region that is left is to have them.
	Launched bool `yaml:"launched,omitempty" json:"launched,omitempty"`
	// Still: users are out of them, so that nothing may be left to replicate.
	Still bool `yaml:"still,omitempty" json:"still,omitempty"`
}

// stillLag is how much may be left once nobody writes: what the service itself rounds to.
const stillLag = 5 * time.Second

// Replicated waits until all servers are replicated up to the last moment: CONTINUOUS, and
// no further behind than the settings allow. STALLED, DISCONNECTED, PAUSED and STOPPED do
// not mend themselves, so it is not waited for them.
func (d *DRS) Replicated(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in ReplicatedInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	settings, err := settingsOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	most := settings.lag()
	if in.Still {
		most = stillLag
	}
	at, to := c.Plan.Source.Name, c.Plan.Target.Name
	if in.Launched {
		at, to = to, at
	}
	ids, err := found(c, in.Servers)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	f, err := d.fleet(ctx, at, to)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	p := progress{at: at, to: to, most: most, now: d.clock.Now()}
	for _, id := range ids {
		p.take(id, f.servers)
	}
	o, ok := p.answer()
	return o, ok, nil
}

// progress is how far the replication of several servers is.
type progress struct {
	at, to            string
	most              time.Duration
	now               time.Time
	told              map[string]string
	behind, stuck     []string
	ready, synced     int
	total, replicated int64
	lag               time.Duration
	eta               time.Time
}

func (p *progress) take(id string, all []server) {
	if p.told == nil {
		p.told = map[string]string{}
	}
	var s *server
	for i := range all {
		if all[i].id() == id {
			s = &all[i]
		}
	}
	switch {
	case s == nil:
		p.stuck, p.told[id] = append(p.stuck, id+" does not run in "+p.at+" any more"), "not there"
		return
	case s.client():
		p.client(s)
		return
	case s.to == nil:
		p.stuck, p.told[id] = append(p.stuck, s.String()+" is not replicated to "+p.to), "not replicated"
		return
	}
	info, state := s.to.DataReplicationInfo, stateOf(s.to)
	p.told[id] = s.name() + "; " + s.target() + "; " + string(state)
	if info == nil {
		p.behind = append(p.behind, s.name()+" does not say how far it is")
		return
	}
	for _, disk := range info.ReplicatedDisks {
		p.total, p.replicated = p.total+disk.TotalStorageBytes, p.replicated+disk.ReplicatedStorageBytes
	}
	if eta := moment(info.EtaDateTime); eta.After(p.eta) {
		p.eta = eta
	}
	lag, known := lagOf(s.to)
	if known {
		p.lag = max(p.lag, lag)
		p.told[id] += "; lag " + aws.ToString(info.LagDuration)
	}
	back := s.instance.Failback
	switch state {
	case types.DataReplicationStateStalled, types.DataReplicationStateDisconnected, types.DataReplicationStatePaused, types.DataReplicationStateStopped:
		why := ""
		if e := info.DataReplicationError; e != nil && e.Error != "" {
			why = " (" + string(e.Error)
			if raw := aws.ToString(e.RawError); raw != "" {
				why += ": " + raw
			}
			why += ")"
		}
		p.stuck = append(p.stuck, fmt.Sprintf("%s is %s%s", s.String(), state, why))
	case types.DataReplicationStateContinuous:
		p.synced++
		switch {
		case !known:
			p.behind = append(p.behind, s.name()+" does not say how far it is behind")
		case lag > p.most:
			p.behind = append(p.behind, fmt.Sprintf("%s is %s behind", s.name(), text.Duration(lag)))
		case back != nil && back.State != types.FailbackStateFailbackReadyForLaunch && back.State != types.FailbackStateFailbackCompleted:
			p.behind = append(p.behind, fmt.Sprintf("%s is %s", s.name(), back.State))
		default:
			p.ready++
		}
	default:
		p.behind = append(p.behind, fmt.Sprintf("%s is %s", s.name(), state))
	}
}

// client takes a server that the Failback Client replicates: its instance says how far it is.
func (p *progress) client(s *server) {
	state := types.FailbackState("")
	if s.instance.Failback != nil {
		state = s.instance.Failback.State
	}
	p.told[s.id()] = s.name() + "; Failback Client; " + string(state)
	if info := s.instance.DataReplicationInfo; info != nil {
		if lag, ok := duration(aws.ToString(info.LagDuration)); ok {
			p.lag = max(p.lag, lag)
		}
		switch info.DataReplicationState {
		case types.RecoveryInstanceDataReplicationStateStalled, types.RecoveryInstanceDataReplicationStateDisconnected, types.RecoveryInstanceDataReplicationStatePaused:
			p.stuck = append(p.stuck, fmt.Sprintf("%s is %s", s.String(), info.DataReplicationState))
			return
		default: // they go on by themselves
		}
	}
	switch state {
	case types.FailbackStateFailbackReadyForLaunch, types.FailbackStateFailbackCompleted:
		p.synced++
		p.ready++
	case types.FailbackStateFailbackError, types.FailbackStateFailbackNotStarted:
		p.stuck = append(p.stuck, fmt.Sprintf("%s is %s", s.String(), state))
	default:
		p.behind = append(p.behind, fmt.Sprintf("%s is %s", s.name(), state))
	}
}

func (p *progress) answer() (engine.Outcome, bool) {
	most := p.most.Seconds()
	o := engine.Outcome{Evidence: p.told, Measured: incident.Measured{Verdict: incident.Pass, AsOf: p.now, Figures: []incident.Figure{
		{Name: "servers ready", Value: float64(p.ready), Unit: "servers"}, {Name: "replication lag", Value: p.lag.Seconds(), Unit: "s", Limit: &most},
	}}}
	all := len(p.told)
	if len(p.stuck) > 0 {
		o.Measured.Verdict, o.Gone, o.State = incident.Fail, true, "stuck"
		o.Summary = fmt.Sprintf("the replication from %s to %s does not go on by itself: %s. Mend it at the server (agent, network, staging area), and retry", p.at, p.to, text.Some(p.stuck, shown))
		return o, false
	}
	if len(p.behind) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%d of %s ready in %s", p.ready, text.Count(all, "server"), p.to)
		if p.total > 0 && p.synced < all {
			o.Summary += fmt.Sprintf(", %d %% replicated", 100*p.replicated/p.total)
		}
		if p.eta.After(p.now) {
			o.Summary += ", " + text.Duration(p.eta.Sub(p.now)) + " left by the service's estimate"
		}
		o.Summary += ": " + text.Some(p.behind, shown)
		return o, false
	}
	o.Summary = fmt.Sprintf("%s replicated from %s to %s up to the last moment, %s behind at most", text.Count(all, "server")+" "+text.Are(all), p.at, p.to, text.Duration(p.lag))
	return o, true
}
