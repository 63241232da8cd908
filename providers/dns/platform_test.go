package dns

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
)

// The check that moves users is that of the Region being left, whichever is home.
func TestUsersAreMovedByTheChecksOfTheRegionBeingLeft(t *testing.T) {
	east, west := runbook.Region{Name: "us-east-1"}, runbook.Region{Name: "us-west-2"}
	checks := map[string]Checks{"us-east-1": {HealthCheck: "e"}, "us-west-2": {HealthCheck: "w"}}
	plan := func(source, target runbook.Region, has ...string) *runbook.Plan {
		p := &runbook.Plan{Source: source, Target: target, Topology: runbook.Topology{Record: "api.example.com"}}
		s := Settings{Regions: map[string]Checks{}}
		for _, name := range has {
			s.Regions[name] = checks[name]
		}
		if err := Platform.Freeze(&p.Topology, s); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct {
		plan *runbook.Plan
		want string
	}{
		{plan(east, west, "us-east-1"), "e"},
		{plan(east, west, "us-east-1", "us-west-2"), "e"},
		{plan(west, east, "us-east-1", "us-west-2"), "w"},
	} {
		if d, err := leaving(c.plan); err != nil || d.HealthCheck != c.want || d.record != "api.example.com" {
			t.Errorf("leaving %s: %+v, %v", c.plan.Source.Name, d, err)
		}
	}
	var f *incident.CallError
	if _, err := leaving(plan(west, east, "us-east-1")); !errors.As(err, &f) || !f.NeedsPerson ||
		err.Error() != "no health check moves users away from us-west-2: the settings name those of us-east-1" || !strings.Contains(f.Hint, "dns.regions.us-west-2") {
		t.Errorf("leaving a Region without checks: %v", err)
	}
	if _, err := leaving(&runbook.Plan{Source: east}); err == nil || !strings.Contains(err.Error(), "dns") {
		t.Errorf("a run that was frozen without them: %v", err)
	}
}

// Each partition has a Route 53 of its own: another one's is never asked.
func TestRoute53IsAskedInThePlatformsPartition(t *testing.T) {
	for target, home := range map[string]string{
		"us-west-2": "us-east-1", "eu-west-1": "us-east-1", "us-gov-east-1": "us-gov-west-1", "cn-north-1": "cn-northwest-1", "eusc-de-east-1": "eusc-de-east-1",
	} {
		var asked string
		s := NewShift(func(region string) aws.Config { asked = region; return aws.Config{Region: region} }, nil, Lever{})
		client, err := s.client(&runbook.Plan{Target: runbook.Region{Name: target}})
		if err != nil || asked != home {
			t.Errorf("%s: %s was asked for, %v", target, asked, err)
			continue
		}
		at, err := route53.NewDefaultEndpointResolverV2().ResolveEndpoint(t.Context(), route53.EndpointParameters{Region: aws.String(client.Options().Region), UseFIPS: aws.Bool(false), UseDualStack: aws.Bool(false)})
		want := map[string]string{
			"us-east-1": "route53.amazonaws.com", "us-gov-west-1": "route53.us-gov.amazonaws.com", "cn-northwest-1": "route53.amazonaws.com.cn", "eusc-de-east-1": "route53.amazonaws.eu",
		}[home]
		if err != nil || at.URI.Host != want {
			t.Errorf("%s: the endpoint is %s, want %s, %v", target, at.URI.Host, want, err)
		}
	}
	s := NewShift(func(string) aws.Config { t.Error("somebody was asked"); return aws.Config{} }, nil, Lever{})
	if _, err := s.client(&runbook.Plan{Target: runbook.Region{Name: "us-iso-east-1"}}); err == nil || !strings.Contains(err.Error(), "partition aws-iso is not known") || !incident.CallErrorOf(err).NeedsPerson {
		t.Errorf("a partition that is not known: %v", err)
	}
}
