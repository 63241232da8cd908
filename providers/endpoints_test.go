package providers_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/endpoints"
)

// needs looks at the endpoints of a plan.
func (w *world) needs(t *testing.T, p *runbook.Plan) (engine.Outcome, bool) {
	t.Helper()
	o, ok, err := w.catalog["endpoints.needed"].Look(t.Context(), engine.Call{Plan: p, Clock: w.clock})
	if err != nil {
		t.Fatal(err)
	}
	return o, ok
}

// apis are the APIs as people call them, by the name of the system in the pretend
// world's calls.
var apis = map[string]string{
	"aws.acm": "ACM", "aws.cloudfront": "CloudFront", "aws.cloudwatch": "CloudWatch", "aws.ec2": "EC2", "aws.ecr": "ECR", "aws.eks": "EKS", "aws.elasticache": "ElastiCache",
	"aws.elasticloadbalancing": "Elastic Load Balancing", "aws.iam": "IAM", "aws.rds": "RDS", "aws.route53": "Route 53", "aws.s3": "S3", "aws.secretsmanager": "Secrets Manager", "aws.servicequotas": "Service Quotas", "aws.logs": "CloudWatch Logs", "aws.sns": "SNS", "aws.sqs": "SQS", "aws.xray": "X-Ray", "aws.wafv2": "WAF", "kubernetes": "Kubernetes",
}

// What the steps of a plan ask is listed, each API in its Region, and nothing else is.
func TestTheListOfEndpointsIsWhatTheStepsAsk(t *testing.T) {
	for _, mode := range []string{"planned", "unplanned", "detach"} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t)
			w.wait(t, time.Minute)
			facts := w.facts(mode)
			if mode == "detach" {
				facts = facts.Detaching()
			}
			plan := compile(t, w.catalog, facts)
			asked := map[string]string{} // the endpoint -> a step that asks it
			for _, s := range plan.Steps {
				a := w.catalog[s.Uses]
				before := len(w.Calls())
				ctx, stop := w.clock.WithTimeout(t.Context(), 30*time.Second, errors.New("looked long enough"))
				c := engine.Call{
					Incident: "INC-2026-0042", Plan: plan, Step: s, Attempt: 1, Began: w.clock.Now(), Impact: w.clock.Now(), Clock: w.clock,
					Result: func(string) (engine.Outcome, bool) { return engine.Outcome{}, false },
					Task:   func(string) (incident.Task, bool) { return incident.Task{}, false },
				}
				switch {
				case a.Look != nil:
					_, _, _ = a.Look(ctx, c) // what it finds is no matter here
				case a.Try != nil:
					_, _, _ = a.Try(ctx, c, 1)
				}
				stop()
				for _, call := range w.Calls()[before:] {
					if api := apis[call.System]; api != "" {
						asked[api+" in "+call.Region] = s.ID
					} else if strings.HasPrefix(call.System, "aws.") && call.System != "aws.sts" {
						t.Errorf("%s asks %s, which has no name here", s.ID, call.System)
					}
				}
			}
			o, _ := w.needs(t, plan)
			for _, name := range slices.Sorted(maps.Keys(asked)) {
				if o.Evidence[name] == "" {
					t.Errorf("%s asks %s, which is not listed", asked[name], name)
				}
			}
			for name, at := range o.Evidence {
				if name == "EKS in us-west-2" {
					continue // asked for service accounts whose role no annotation names
				}
				if _, region, ok := strings.Cut(name, " in "); ok && asked[name] == "" {
					t.Errorf("%s (%s) is listed, and no step asks it in %s", name, at, region)
				}
			}
			for _, name := range []string{"public name", "resolver Google"} {
				if o.Evidence[name] == "" {
					t.Errorf("%s is not listed: %v", name, o.Evidence)
				}
			}
		})
	}
}

// It fails only where an unplanned run would wait for the Region that is left.
func TestTheBotNeedsNothingInTheRegionThatIsLeft(t *testing.T) {
	with := func(own ...endpoints.Endpoint) func(w *world, p *runbook.Plan) {
		return func(w *world, _ *runbook.Plan) {
			c := w.connections()
			c.Own = own
			w.catalog = providers.Catalog(c)
		}
	}
	for name, c := range map[string]struct {
		change  func(w *world, p *runbook.Plan)
		verdict incident.Verdict
		says    string
	}{
		"nothing":                              {with(), incident.Pass, "that an unplanned run does not wait for"},
		"the record in the target":             {with(endpoints.Record("rediss://x:hunter2@r.abc.use2.cache.amazonaws.com:6379", west)), incident.Pass, ""},
		"the record, by its address":           {with(endpoints.Record("rediss://x:hunter2@master.shop.abc.use1.cache.amazonaws.com:6379", "")), incident.Fail, "would wait in us-east-1, which is left, for the record (Redis) (master.shop.abc.use1.cache.amazonaws.com:6379)"},
		"the record, as the settings say":      {with(endpoints.Record("redis://10.0.0.5:6379", east)), incident.Fail, "the record (Redis) (10.0.0.5:6379)"},
		"the record, and nobody says where":    {with(endpoints.Record("redis://10.0.0.5:6379", "")), incident.Warn, "redis.region"},
		"Slack is in no Region":                {with(endpoints.At("Slack", "https://slack.com", "")), incident.Pass, ""},
		"Slack by way of the Region":           {with(endpoints.At("Slack", "https://proxy.us-east-1.example.net/slack", "")), incident.Fail, "Slack (proxy.us-east-1.example.net)"},
		"a required step that asks the source": {func(_ *world, p *runbook.Plan) { requires(p, "load-balancer", "source") }, incident.Fail, "Elastic Load Balancing in us-east-1"},
		"advice that asks the source": {func(_ *world, p *runbook.Plan) {
			requires(p, "load-balancer", "source")
			p.Steps[slices.IndexFunc(p.Steps, func(s runbook.Step) bool { return s.ID == "load-balancer" })].Gate = runbook.Advice
		}, incident.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := compile(t, w.catalog, w.facts("unplanned"))
			c.change(w, p)
			o, ok := w.needs(t, p)
			if o.Measured.Verdict != c.verdict || ok != (c.verdict != incident.Fail) || !strings.Contains(o.Summary, c.says) {
				t.Errorf("%s, %t: %s", o.Measured.Verdict, ok, o.Summary)
			}
			if all := fmt.Sprint(o); strings.Contains(all, "hunter2") {
				t.Errorf("a password is told: %s", all)
			}
		})
	}
}

// requires has a required step of a plan ask another Region.
func requires(p *runbook.Plan, step, home string) {
	i := slices.IndexFunc(p.Steps, func(s runbook.Step) bool { return s.ID == step })
	p.Steps[i].Home, p.Steps[i].Gate = home, runbook.Required
}

func TestTheRegionThatANameTells(t *testing.T) {
	for host, want := range map[string]string{
		"rds.us-west-2.amazonaws.com":                       "us-west-2",
		"shop.cluster-abc.us-east-1.rds.amazonaws.com:5432": "us-east-1",
		"master.shop.abc.euc1.cache.amazonaws.com:6379":     "eu-central-1",
		"clustercfg.shop.abc.apse2.cache.amazonaws.com":     "ap-southeast-2",
		"ABC.gr7.us-west-2.eks.amazonaws.com":               "us-west-2",
		"sts.us-gov-west-1.amazonaws.com":                   "us-gov-west-1",
		"rds.eusc-de-east-1.amazonaws.eu":                   "eusc-de-east-1",
		"rds.cn-north-1.amazonaws.com.cn":                   "cn-north-1",
		"ip-10-0-0-1.us-west-2.compute.internal":            "us-west-2",
		"redis.us-east-1a.example.net":                      "us-east-1",
		"slack.com":                                         "",
		"api.ecommerce.com":                                 "",
		"10.0.0.5:6379":                                     "",
		"ns-1.example.net:53":                               "",
		"shop-db-1.example.net":                             "",
		"us-east.example.net":                               "",
		"":                                                  "",
	} {
		if got := endpoints.RegionOf(host); got != want {
			t.Errorf("%s is in %q, want %q", host, got, want)
		}
	}
}
