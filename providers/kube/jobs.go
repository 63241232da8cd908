package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// sourceTime is how long the Region being left may take to say what runs there, where
// that is not what the check is for.
const sourceTime = 10 * time.Second

// single is a CronJob or a Deployment that is to run in one Region alone.
type single struct {
	kind, name string
	// runs: it is there and neither suspended nor scaled to nothing.
	there, runs bool
}

func (s single) String() string { return s.kind + " " + s.name }

// Jobs checks that what is to run in one Region alone, the settings' CronJobs and
// consumers, exists in the target and does not run there yet, and in a planned run that
// it runs in the source. What runs in both Regions does its work twice, and what is in
// the source alone is done by nobody once that is left. [Single] suspends and resumes them.
func (k *Kube) Jobs(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	p := c.Plan
	settings, err := runbook.PartOf[Settings](p.Topology, Platform.Key)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Measured: incident.Measured{Verdict: incident.Pass, AsOf: k.clock.Now()}}
	if len(settings.CronJobs)+len(settings.Consumers) == 0 {
		o.Measured.Verdict = incident.NotApplicable
		o.Summary = "not applicable: the settings name no CronJob and no consumer that is to run in one Region alone"
		return o, true, nil
	}
	var here, there []single
	var fault error
	reads := []func() error{func() (err error) { here, err = k.singles(ctx, p, p.Target, settings); return err }}
	planned := p.Mode == "planned"
	if planned {
		reads = append(reads, func() error {
			ctx, cancel := k.clock.WithTimeout(ctx, sourceTime, fmt.Errorf("%s did not answer within %s", p.Source.Name, sourceTime))
			defer cancel()
			there, fault = k.singles(ctx, p, p.Source, settings)
			return nil
		})
	}
	if err := k.together(reads...); err != nil {
		return o, false, err
	}
	source, target := p.Source.Name, p.Target.Name
	o.Evidence = map[string]string{}
	var missing, twice, nowhere, names []string
	for i, s := range here {
		names = append(names, s.String())
		o.Evidence[s.String()+" in "+target] = s.told()
		if !s.there {
			missing = append(missing, s.String())
		}
		if s.runs {
			twice = append(twice, s.String())
		}
		if planned && fault == nil {
			o.Evidence[s.String()+" in "+source] = there[i].told()
			if !there[i].runs && !s.runs {
				nowhere = append(nowhere, s.String())
			}
		}
	}
	o.Measured.Figures = []incident.Figure{figure("missing in the target", len(missing), "workloads", 0), figure("running in the target already", len(twice), "workloads", 0)}
	if len(missing) > 0 {
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("%s in %s %s not there, so nobody could resume %s: %s", text.Count(len(missing), "workload"), target, text.Are(len(missing)), them(len(missing)), strings.Join(missing, ", "))
		return o, false, nil
	}
	o.Summary = fmt.Sprintf("the run suspends in %s and resumes in %s: %s", source, target, strings.Join(names, ", "))
	var warn []string
	if len(twice) > 0 {
		warn = append(warn, fmt.Sprintf("%s in %s already: %s", runsOrRun(len(twice)), target, strings.Join(twice, ", ")))
	}
	if len(nowhere) > 0 {
		warn = append(warn, fmt.Sprintf("%s in neither Region: %s", runsOrRun(len(nowhere)), strings.Join(nowhere, ", ")))
	}
	if fault != nil {
		warn = append(warn, fmt.Sprintf("what runs in %s could not be read: %v", source, fault))
	}
	if len(warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + strings.Join(warn, "; ")
	}
	return o, true, nil
}

// singles are what the settings name, in their order, as it is in a Region.
func (k *Kube) singles(ctx context.Context, p *runbook.Plan, region runbook.Region, s Settings) ([]single, error) {
	client, r, err := k.in(p, region)
	if err != nil {
		return nil, err
	}
	var jobs []batchv1.CronJob
	var all []appsv1.Deployment
	var reads []func() error
	if len(s.CronJobs) > 0 {
		reads = append(reads, func() (err error) {
			if jobs, err = list[batchv1.CronJob](ctx, k, client, cronJobs, r, metav1.ListOptions{}); err != nil {
				return fmt.Errorf("list the CronJobs in %s: %w", r.Name, err)
			}
			return nil
		})
	}
	if len(s.Consumers) > 0 {
		reads = append(reads, func() (err error) { all, err = k.deployments(ctx, client, r); return err })
	}
	if err := k.together(reads...); err != nil {
		return nil, err
	}
	running := map[string]bool{}
	for _, j := range jobs {
		running[single{kind: "CronJob", name: j.Name}.String()] = j.Spec.Suspend == nil || !*j.Spec.Suspend
	}
	for i := range all {
		running[single{kind: "Deployment", name: all[i].Name}.String()] = replicas(&all[i]) > 0
	}
	var out []single
	for _, name := range s.CronJobs {
		out = append(out, single{kind: "CronJob", name: name})
	}
	for _, name := range s.Consumers {
		out = append(out, single{kind: "Deployment", name: name})
	}
	for i := range out {
		out[i].runs, out[i].there = running[out[i].String()]
	}
	return out, nil
}

func (s single) told() string {
	switch {
	case !s.there:
		return "missing"
	case s.runs:
		return "runs"
	case s.kind == "Deployment":
		return "scaled to 0"
	}
	return "suspended"
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

func runsOrRun(n int) string {
	if n == 1 {
		return "one runs"
	}
	return fmt.Sprintf("%d run", n)
}
