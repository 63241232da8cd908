package providers_test

import (
	"fmt"
	"strings"
	"testing"

	cft "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/cloudfront"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestTheDistributionIsJudged(t *testing.T) {
	with := func(f func(d *sim.Distribution)) func(s *sim.State) {
		return func(s *sim.State) { f(&s.Distribution) }
	}
	const over = "paths that fail over"
	posts := func(d *sim.Distribution) {
		d.Paths = append(d.Paths, sim.CachedPath{Pattern: "/api/*", Target: "both-regions", Methods: cft.Method("").Values()})
	}
	judge(t, "distribution", []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"CloudFront distribution E2PRETEND0WORLD is deployed; for 2 of 2 paths, and for GET, HEAD and OPTIONS only, it tries alb-us-west-2 where alb-us-east-1 answers 500, 502, 503, 504 or does not connect"},
			map[string]string{
				"status": "Deployed", "enabled": "true", "origin of alb-us-west-2": "us-west-2.api.ecommerce.com", "fails over on": "500, 502, 503, 504",
				"origin group": "both-regions: alb-us-east-1, then alb-us-west-2", "path /static/*": "both-regions",
			},
			map[string]float64{over: 2},
		},
		{"it is disabled", with(func(d *sim.Distribution) { d.Disabled = true }), incident.Fail, []string{"would not go on with us-west-2: it is disabled"}, nil, nil},
		{"it is being deployed", with(func(d *sim.Distribution) { d.Status = "InProgress" }), incident.Fail, []string{"its status is InProgress, not Deployed"}, nil, nil},
		{"the target's origin is not there", with(func(d *sim.Distribution) {
			delete(d.Origins, "alb-us-west-2")
		}), incident.Fail, []string{"it has no origin alb-us-west-2, which the settings name for us-west-2"}, nil, nil},
		{"the source's origin is not there", with(func(d *sim.Distribution) {
			delete(d.Origins, "alb-us-east-1")
		}), incident.Fail, []string{"it has no origin alb-us-east-1, which the settings name for us-east-1"}, nil, nil},
		{"both are the same", with(func(d *sim.Distribution) {
			d.Origins["alb-us-east-1"], d.Origins["alb-us-west-2"] = "shop.example", "shop.example"
		}), incident.Fail, []string{"the origins alb-us-west-2 and alb-us-east-1 are both shop.example"}, nil, nil},
		{"the target's origin lies in the source", with(func(d *sim.Distribution) {
			d.Origins["alb-us-west-2"] = "shop-1.us-east-1.elb.amazonaws.com"
		}), incident.Fail, []string{"the origin alb-us-west-2 of us-west-2 is shop-1.us-east-1.elb.amazonaws.com, which is in us-east-1"}, nil, nil},
		{"no group holds both", with(func(d *sim.Distribution) {
			d.Groups[0].Origins[1] = "somewhere-else"
		}), incident.Fail, []string{"no origin group holds both alb-us-west-2 and alb-us-east-1"}, nil, nil},
		{"there is no group", with(func(d *sim.Distribution) { d.Groups = nil }), incident.Fail, []string{"no origin group holds both"}, nil, nil},
		{"nothing goes through the group", with(func(d *sim.Distribution) {
			for i := range d.Paths {
				d.Paths[i].Target = "alb-us-east-1"
			}
		}), incident.Fail, []string{"no path goes through the origin group both-regions"}, nil, map[string]float64{over: 0}},
		{"a second group of the same is in use", with(func(d *sim.Distribution) {
			d.Groups = append(d.Groups, d.Groups[0])
			d.Groups[1].ID = "in-use"
			for i := range d.Paths {
				d.Paths[i].Target = "in-use"
			}
		}), incident.Pass, []string{"for 2 of 2 paths"}, map[string]string{"origin group": "in-use: "}, nil},
		{"one path goes to the source alone", with(func(d *sim.Distribution) { d.Paths[1].Target = "alb-us-east-1" }), incident.Warn, []string{
			"for 1 of 2 paths", "/static/* goes to alb-us-east-1 in us-east-1 alone",
		}, nil, map[string]float64{over: 1}},
		{"the default path goes to the source alone", with(func(d *sim.Distribution) { d.Paths[0].Target = "alb-us-east-1" }), incident.Warn, []string{"everything else goes to alb-us-east-1 in us-east-1 alone"}, nil, nil},
		{"another origin's paths are no matter", with(func(d *sim.Distribution) {
			d.Origins["pictures"] = "pictures.s3.amazonaws.com"
			d.Paths = append(d.Paths, sim.CachedPath{Pattern: "/pictures/*", Target: "pictures"})
		}), incident.Pass, []string{"for 2 of 3 paths"}, map[string]string{"path /pictures/*": "pictures"}, map[string]float64{over: 2}},
		{"it does not take a missing target for a reason", with(func(d *sim.Distribution) {
			d.Groups[0].Codes = []int32{500, 404}
		}), incident.Warn, []string{"answers 404, 500 or does not connect", "it does not fail over on 502, 503, 504"}, nil, nil},
		{"what is posted goes to the source", with(posts), incident.Warn, []string{"what is posted to /api/* goes to alb-us-east-1 in us-east-1 even when that is down"}, nil, map[string]float64{over: 3}},
		{"what is posted goes to the target", with(func(d *sim.Distribution) {
			posts(d)
			o := d.Groups[0].Origins
			o[0], o[1] = o[1], o[0]
		}), incident.Pass, []string{"it tries alb-us-east-1 where alb-us-west-2 answers"}, nil, nil},
		{"many paths go to the source", with(func(d *sim.Distribution) {
			for i := range 7 {
				d.Paths = append(d.Paths, sim.CachedPath{Pattern: fmt.Sprintf("/%d/*", i), Target: "alb-us-east-1"})
			}
		}), incident.Warn, []string{"/0/*, /1/*, /2/*, /3/*, /4/* and 2 more go to alb-us-east-1"}, nil, nil},
	})
	t.Run("in the settings", func(t *testing.T) {
		for name, c := range map[string]struct {
			settings cloudfront.Settings
			want     judged
		}{
			"none":    {cloudfront.Settings{}, judged{"", func(*sim.State) {}, incident.NotApplicable, []string{"not applicable: the settings name no CloudFront distribution"}, map[string]string{"distribution": "none"}, nil}},
			"another": {cloudfront.Settings{Distribution: "E0"}, judged{"", func(*sim.State) {}, incident.Unsure, []string{"get distribution E0: ", "no such thing under that name"}, nil, nil}},
		} {
			c.want.name = name
			judge(t, "distribution", []judged{c.want}, func(call *engine.Call) {
				if err := cloudfront.Platform.Freeze(&call.Plan.Topology, c.settings); err != nil {
					t.Fatal(err)
				}
			})
		}
	})
}

func TestADistributionThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "distribution", "aws.cloudfront", "GetDistribution")
	w := newWorld(t)
	a, call := w.call(t, "distribution")
	for name, r := range call.Plan.Topology.Regions {
		r.Name = "us-gov-west-1"
		call.Plan.Topology.Regions[name] = r
	}
	call.Plan.Target.Name = "us-gov-west-1"
	if _, ok, err := a.Look(t.Context(), call); ok || err == nil || !incident.CallErrorOf(err).NeedsPerson || !strings.Contains(err.Error(), "partition aws-us-gov is not known") {
		t.Errorf("where there is no CloudFront: %t %v", ok, err)
	}
}

// CloudFront's API lives in us-east-1: an unplanned run that leaves it does not wait.
func TestAnUnplannedRunDoesNotWaitForCloudFront(t *testing.T) {
	w := newWorld(t)
	for mode, waits := range map[string]bool{"planned": true, "unplanned": false} {
		p := compile(t, w.catalog, w.facts(mode))
		g, _ := p.Step("go")
		if _, there := p.Step("distribution"); !there || strings.Contains(strings.Join(g.Needs, " "), "distribution") != waits {
			t.Errorf("%s: there %t, Go needs %v", mode, there, g.Needs)
		}
	}
}
