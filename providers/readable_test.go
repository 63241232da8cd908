package providers_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers/s3"
	"github.com/failoverbot/failoverbot/providers/sim"
)

func TestTheProbeObjectsOfTheBucketsAreRead(t *testing.T) {
	const bucket, key = "ecommerce-assets-us-west-2", "failoverbot.probe"
	buckets := func(change func(s *s3.Settings)) func(c *engine.Call) {
		return func(c *engine.Call) {
			settings := partOf[s3.Settings](t, c.Plan.Topology, s3.Platform.Key)
			change(&settings)
			if err := s3.Platform.Freeze(&c.Plan.Topology, settings); err != nil {
				t.Fatal(err)
			}
		}
	}
	judge(t, "objects", []judged{
		{
			"it is read", func(*sim.State) {}, incident.Pass,
			[]string{"failoverbot.probe was read from 1 bucket of us-west-2"},
			map[string]string{bucket: "11 bytes, etag 6f5902ac237024bdd0c176cb93063dc4, written at 2026-02-01 14:00 UTC", "probe_key": key},
			map[string]float64{"buckets without the probe object": 0},
		},
		{
			"it is not there", func(s *sim.State) { delete(s.Regions[west].Buckets[bucket], key) }, incident.Fail,
			[]string{"failoverbot.probe is missing in 1 of 1 bucket of us-west-2: " + bucket},
			map[string]string{bucket: "not there"},
			map[string]float64{"buckets without the probe object": 1},
		},
		{
			"the bucket is in the other Region", func(s *sim.State) {
				s.Regions[east].Buckets[bucket] = s.Regions[west].Buckets[bucket]
				delete(s.Regions[west].Buckets, bucket)
			}, incident.Unsure,
			[]string{"read failoverbot.probe of " + bucket + " in us-west-2", "it lies in another Region than the settings say"},
			nil, nil,
		},
		{"the bucket is not there", func(s *sim.State) { delete(s.Regions[west].Buckets, bucket) }, incident.Unsure, []string{"NoSuchBucket"}, nil, nil},
	})
	t.Run("one of two buckets has it not, and another cannot be asked", func(t *testing.T) {
		judge(t, "objects", []judged{{"missing", func(s *sim.State) { s.Regions[west].Buckets["second"] = map[string]sim.Object{} }, incident.Fail, []string{"missing in 1 of 3 buckets of us-west-2: second"}, map[string]string{"third": "unknown"}, nil}},
			buckets(func(s *s3.Settings) {
				s.Regions[west] = s3.Region{Buckets: []string{bucket, "second", "third"}}
			}))
	})
	t.Run("no key", func(t *testing.T) {
		judge(t, "objects", []judged{{"not named", func(*sim.State) {}, incident.NotApplicable, []string{"name no object to read (platform.s3.probe_key)"}, nil, nil}}, buckets(func(s *s3.Settings) { s.ProbeKey = "" }))
	})
	t.Run("no buckets", func(t *testing.T) {
		judge(t, "objects", []judged{{"not named", func(*sim.State) {}, incident.NotApplicable, []string{"name no buckets of us-west-2"}, nil, nil}}, buckets(func(s *s3.Settings) { s.Regions = nil }))
	})
	if faults := faultsOf(t, s3.Platform, "{probe_key: /x}"); !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, "no slash in front") }) {
		t.Error(faults)
	}
}

func TestObjectsThatCannotBeReadAreUnknown(t *testing.T) {
	blind(t, "objects", "aws.s3", "GetObject")
	w := newWorld(t)
	w.wait(t, time.Minute)
	if err := w.Fault(sim.Fault{Operation: "GetObject", Kind: sim.Deny}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.looked(t, "objects"); err == nil || !strings.Contains(err.Error(), "GetObject") {
		t.Errorf("the right that is missing is not named: %v", err)
	}
	for _, call := range w.Calls() {
		if call.Region == east {
			t.Errorf("it asked %s of %s", call.Operation, call.Region)
		}
	}
}
