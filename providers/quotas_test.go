package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/providers/sim"
)

const quotaOfVCPU, quotaOfInterfaces, quotaOfTargets, quotaOfGroup = "L-1216C47A", "L-DF5E4CA3", "L-7E6692B2", "L-A0D0B863"

func TestTheQuotasAreJudged(t *testing.T) {
	account := func(s *sim.State) *sim.AccountUse { return &s.Regions[west].Account }
	for _, c := range []struct {
		name    string
		change  func(s *sim.State)
		verdict incident.Verdict
		says    []string
	}{
		{"they are as they should be", func(*sim.State) {}, incident.Pass, []string{"in us-west-2", "96 of 640 vCPU of On-Demand Standard instances are used, and the run adds nothing"}},
		{"vCPU is used up", func(s *sim.State) { account(s).VCPUs = 641 }, incident.Fail, []string{"641 of 640 vCPU", "ask for more in Service Quotas"}},
		{"little vCPU is left", func(s *sim.State) { account(s).VCPUs = 577 }, incident.Warn, []string{"577 of 640 vCPU"}},
		{"enough vCPU is left", func(s *sim.State) { account(s).VCPUs = 576 }, incident.Pass, []string{"576 of 640 vCPU"}},
		{"nothing was applied for", func(s *sim.State) { delete(account(s).Quotas, quotaOfVCPU) }, incident.Fail, []string{"96 of 5 vCPU", "the quota is AWS's default"}},
		{"pods that find no node need more vCPU than there is", func(s *sim.State) {
			account(s).VCPUs = 630
			for _, d := range s.Regions[west].Deployments {
				d.Spec.Template.Spec.Containers[0].Resources.Requests["cpu"] = resource.MustParse("500")
			}
		}, incident.Fail, []string{"630 of 640 vCPU", "the run adds at least "}},
		{"interfaces are used up", func(s *sim.State) { account(s).Interfaces = 5001 }, incident.Fail, []string{"5001 of 5000 network interfaces"}},
		{"all interfaces are used, and the run may add some", func(s *sim.State) { account(s).Interfaces = 5000 }, incident.Warn, []string{"5000 of 5000 network interfaces are used, and the run adds at most "}},
		{"a load balancer has too many targets", func(s *sim.State) { account(s).Quotas[quotaOfTargets] = 1 }, incident.Fail, []string{"of 1 targets of the load balancer"}},
		{"a target group has too many targets", func(s *sim.State) { account(s).Quotas[quotaOfGroup] = 1 }, incident.Fail, []string{"of 1 targets of a target group"}},
		{"the use of vCPU is not published", func(s *sim.State) { account(s).Unpublished = true }, incident.Unsure, []string{"is unknown", "in the last 30 min"}},
		{"a quota has no value", func(s *sim.State) { account(s).Withheld = quotaOfInterfaces }, incident.Unsure, []string{"the quota of network interfaces (L-DF5E4CA3) in us-west-2 is unknown", "the service did not answer"}},
		{"CloudWatch answers in part", func(s *sim.State) { s.Regions[west].InPart = true }, incident.Unsure, []string{"in part"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.change(t, c.change)
			w.wait(t, time.Minute)
			o, ok, err := w.looked(t, "quotas")
			said := o.Summary
			if c.verdict == incident.Unsure {
				if err == nil || ok || incident.CallErrorOf(err).Unknown {
					t.Fatalf("%t %q %v", ok, said, err)
				}
				said = err.Error()
			} else if err != nil {
				t.Fatal(err)
			} else if len(o.Measured.Figures) != 4 || o.Measured.AsOf.IsZero() || o.Evidence["ec2 "+quotaOfVCPU] == "" {
				t.Errorf("%+v %v", o.Measured, o.Evidence)
			}
			if passes := c.verdict == incident.Pass || c.verdict == incident.Warn; ok != passes || c.verdict != incident.Unsure && o.Measured.Verdict != c.verdict {
				t.Errorf("it passes: %t, verdict %q: %s", ok, o.Measured.Verdict, said)
			}
			for _, part := range c.says {
				if !strings.Contains(said, part) {
					t.Errorf("it does not say %q: %s", part, said)
				}
			}
		})
	}
}

// No fault passes for an answer, and each right that is missing is named by its call.
func TestQuotasThatCannotBeReadAreUnknown(t *testing.T) {
	blind(t, "quotas", "aws.servicequotas", "GetServiceQuota", "GetAWSDefaultServiceQuota")
	blind(t, "quotas", "aws.cloudwatch", "GetMetricData")
	blind(t, "quotas", "aws.ec2", "DescribeNetworkInterfaces")
	blind(t, "quotas", "aws.elasticloadbalancing", "DescribeTargetGroups", "DescribeTargetHealth")
}

// The Region being left may be gone: nothing is asked there. Interfaces are
// counted on all pages.
func TestTheQuotasAreThoseOfTheTarget(t *testing.T) {
	w := newWorld(t)
	w.wait(t, time.Minute)
	if err := w.Happen(sim.Event{Lose: east}); err != nil {
		t.Fatal(err)
	}
	if o, ok, err := w.looked(t, "quotas"); !ok || err != nil || !strings.HasPrefix(o.Evidence["vpc "+quotaOfInterfaces], "1040 of 5000 ") {
		t.Fatalf("%t %q %v %v", ok, o.Summary, o.Evidence, err)
	}
	var asked []string
	pages := 0
	for _, c := range w.Calls() {
		if strings.HasPrefix(c.System, "aws.") && c.Region != west {
			t.Errorf("%s is asked in %s", c.Operation, c.Region)
		}
		switch c.Operation {
		case "GetServiceQuota":
			asked = append(asked, c.Target)
		case "DescribeNetworkInterfaces":
			pages++
		}
	}
	slices.Sort(asked)
	want := []string{"ec2/" + quotaOfVCPU, "elasticloadbalancing/" + quotaOfTargets, "elasticloadbalancing/" + quotaOfGroup, "vpc/" + quotaOfInterfaces}
	if !slices.Equal(asked, want) || pages != 2 {
		t.Errorf("asked %v on %d pages, want %v on 2", asked, pages, want)
	}
}
