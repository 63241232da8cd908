package s3

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/providers/metrics"
)

// shown is how many of a kind a sentence tells.
const shown = 5

// finding is what the replication of a run's buckets comes to.
type finding struct {
	now            time.Time
	source, target string
	planned        bool
	// home: it is the way home, which nothing is to be pending for.
	home     bool
	limits   Settings
	from, to []string // buckets of the source and of the target
	unread   error    // why what the source has to say is not known

	forth, back       []rules // of the source's buckets, and of the target's
	arriving, leaving map[key][]metrics.Point

	// wrong is what is known not to be well, unknown what nobody can tell, warn what
	// deserves a second look; each is a sentence.
	wrong, unknown, warn []string
	most                 struct{ pending, seconds, failed float64 }
}

// none is the outcome where the settings name no buckets.
func (f *finding) none() engine.Outcome {
	return engine.Outcome{
		Summary:  fmt.Sprintf("not applicable: the settings name no buckets of %s (platform.s3.regions)", f.source),
		Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: f.now},
	}
}

// follows says that a rule brings something from the source's buckets to the target's.
func (f *finding) follows(r rule) bool {
	return slices.Contains(f.from, r.from) && slices.Contains(f.to, r.to)
}

// answer is the outcome of all that was found. What is known to be wrong is told whatever
// else is not known.
func (f *finding) answer() (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{"buckets": strings.Join(f.from, ", ")}}
	checked := 0
	for _, r := range f.rules() {
		f.judge(r, o.Evidence)
		checked++
	}
	for _, r := range f.back {
		if len(r.leads(f.from)) == 0 {
			f.warn = append(f.warn, fmt.Sprintf("%s in %s is not replicated back to %s%s: what is written there after the failover stays there", r.bucket, f.target, f.source, r.off()))
		}
	}
	pending, late, none := f.pending(), f.limits.latency().Seconds(), 0.0
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: f.now}
	if len(f.unknown) == 0 && checked > 0 {
		o.Measured.Figures = []incident.Figure{
			{Name: "operations pending", Value: f.most.pending, Unit: "operations", Limit: &pending},
			{Name: "replication latency", Value: f.most.seconds, Unit: "s", Limit: &late},
		}
		if f.planned {
			o.Measured.Figures = append(o.Measured.Figures, incident.Figure{Name: "operations failed in the last hour", Value: f.most.failed, Unit: "operations", Limit: &none})
		}
	}
	switch {
	case len(f.wrong) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s does not have all that is in the buckets of %s: %s", f.target, f.source, text.Some(f.wrong, shown))
		return o, false, nil
	case f.unread != nil:
		o.Measured.Verdict = incident.Unsure
		return o, false, fmt.Errorf("whether the buckets of %s are replicated is unknown: %w", f.source, f.unread)
	case len(f.unknown) > 0:
		o.Measured.Verdict = incident.Unsure
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("how far the replication of %s to %s has got is unknown: %s", f.source, f.target, text.Some(f.unknown, shown)),
			Hint: "look whether the rules still replicate, and whether replication metrics are on for each (Destination.Metrics): they begin 15 min after they were switched on",
		}
	}
	o.Summary = fmt.Sprintf("%s of %s %s replicated to %s: at most %s pending, %s behind", text.Count(len(f.from), "bucket"), f.source, text.Are(len(f.from)), f.target,
		text.Count(int(f.most.pending), "operation"), text.Duration(time.Duration(f.most.seconds*float64(time.Second))))
	if f.planned {
		o.Summary += fmt.Sprintf(", and none failed in the last %s", text.Age(recent))
	} else {
		f.warn = append(f.warn, fmt.Sprintf("what failed is told in %s alone, which is being left and was not asked", f.source))
	}
	if len(f.warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + text.Some(f.warn, shown)
	}
	return o, true, nil
}

// rules are those to judge: as the source's buckets have them, or where these were not
// asked, as the target knows them by what is published there.
func (f *finding) rules() []configured {
	var out []configured
	if f.forth != nil {
		for _, r := range f.forth {
			to := r.leads(f.to)
			if len(to) == 0 {
				f.wrong = append(f.wrong, fmt.Sprintf("%s is not replicated to any of %s%s", r.bucket, strings.Join(f.to, ", "), r.off()))
			}
			out = append(out, to...)
		}
		return out
	}
	for _, bucket := range f.from {
		n := len(out)
		for k := range f.arriving {
			if k.from == bucket && k.metric == pendingOps.name {
				out = append(out, configured{k.rule, true})
			}
		}
		if len(out) == n {
			f.unknown = append(f.unknown, fmt.Sprintf("nothing is published of %s in %s for %s", bucket, f.target, text.Age(history)))
		}
	}
	slices.SortFunc(out, func(a, b configured) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// judge takes one rule into account.
func (f *finding) judge(r configured, evidence map[string]string) {
	points := f.arriving[key{r.rule, pendingOps.name}]
	late := f.arriving[key{r.rule, latency.name}]
	switch {
	case !r.measured:
		f.unknown = append(f.unknown, fmt.Sprintf("%s has no replication metrics", r))
		evidence[r.String()] = "enabled, without metrics"
		return
	case len(points) == 0:
		f.unknown = append(f.unknown, fmt.Sprintf("%s has had no datapoint for %s", r, text.Age(history)))
		evidence[r.String()] = "enabled, no datapoint"
		return
	}
	newest, age := points[0], max(0, f.now.Sub(points[0].At))
	evidence[r.String()] = fmt.Sprintf("%.0f pending at %s", newest.Value, text.ToDay.UTC(newest.At))
	if age > fresh {
		f.unknown = append(f.unknown, fmt.Sprintf("%s had %s pending %s ago, nothing newer", r, text.Count(int(newest.Value), "operation"), text.Age(age)))
		return
	}
	f.most.pending = max(f.most.pending, newest.Value)
	switch limit := f.pending(); {
	case newest.Value <= limit:
	case f.home:
		f.wrong = append(f.wrong, fmt.Sprintf("%s is not drained: %s pending, and missing at home until they arrive", r, text.Count(int(newest.Value), "operation")))
	default:
		f.wrong = append(f.wrong, fmt.Sprintf("%s has %s pending, at most %.0f are wanted", r, text.Count(int(newest.Value), "operation"), limit))
	}
	// S3 tells no latency while there is nothing to replicate.
	if len(late) > 0 && f.now.Sub(late[0].At) <= fresh {
		behind := time.Duration(late[0].Value * float64(time.Second))
		evidence[r.String()] += ", " + text.Duration(behind) + " behind"
		f.most.seconds = max(f.most.seconds, late[0].Value)
		if behind > f.limits.latency() {
			f.wrong = append(f.wrong, fmt.Sprintf("%s is %s behind, at most %s is wanted", r, text.Duration(behind), text.Duration(f.limits.latency())))
		}
	}
	failed := 0.0
	for _, p := range f.leaving[key{r.rule, failedOps.name}] {
		if f.now.Sub(p.At) <= recent {
			failed += p.Value
		}
	}
	f.most.failed = max(f.most.failed, failed)
	if failed > 0 {
		f.wrong = append(f.wrong, fmt.Sprintf("%s of %s failed in the last %s, and S3 does not try them again", text.Count(int(failed), "operation"), r, text.Age(recent)))
	}
}

// pending is how many operations may be: on the way home none.
func (f *finding) pending() float64 {
	if f.home {
		return 0
	}
	return f.limits.pending()
}

// off tells of rules that are there and disabled, for the end of a sentence.
func (r *rules) off() string {
	if len(r.disabled) == 0 {
		return ""
	}
	return fmt.Sprintf(" (disabled: %s)", strings.Join(r.disabled, ", "))
}
