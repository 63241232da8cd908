package providers_test

import (
	"strings"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/sim"
	"github.com/failoverbot/failoverbot/providers/velero"
)

// backedUp changes what the settings say of Velero.
func backedUp(t *testing.T, change func(s *velero.Settings)) func(c *engine.Call) {
	t.Helper()
	return func(c *engine.Call) {
		s := partOf[velero.Settings](t, c.Plan.Topology, velero.Platform.Key)
		change(&s)
		if err := velero.Platform.Freeze(&c.Plan.Topology, s); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheBackupIsJudged(t *testing.T) {
	here := func(s *sim.State) *sim.BackupLocation { return s.Velero.Locations[west] }
	ago := func(s *sim.State, d time.Duration) []sim.Pause { return []sim.Pause{{From: s.At.Add(-d)}} }
	cases := []judged{
		{
			"it is as it should be", func(*sim.State) {}, incident.Pass,
			[]string{"the newest backup of schedule ecommerce-prod in us-west-2, ecommerce-prod-20260303135000, began 11 min ago (at most 15 min)"},
			map[string]string{"backup": "ecommerce-prod-20260303135000", "started": "2026-03-03T13:50:00Z", "location": "default, bucket ecommerce-velero-us-west-2 in us-west-2, Available"},
			map[string]float64{"age of the backup": 11},
		},
		{
			"nothing was backed up any more", func(s *sim.State) { s.Velero.Paused = ago(s, 10*time.Minute) }, incident.Fail,
			[]string{"ecommerce-prod-20260303134000, began 21 min ago, and at most 15 min is wanted"},
			nil,
			map[string]float64{"age of the backup": 21},
		},
		{
			"newer ones failed", func(s *sim.State) { s.Velero.Failing = s.At.Add(-35 * time.Minute) }, incident.Fail,
			[]string{"began 41 min ago", "(3 PartiallyFailed)"},
			nil, nil,
		},
		{
			"all of them failed", func(s *sim.State) { s.Velero.Failing = s.At.Add(-24 * time.Hour) }, incident.Fail,
			[]string{"no backup of schedule ecommerce-prod is Completed in us-west-2 (11 PartiallyFailed)"},
			nil, nil,
		},
		{
			"there is none", func(s *sim.State) { s.Velero.Paused = ago(s, 24*time.Hour) }, incident.Fail,
			[]string{"no backup of schedule ecommerce-prod is Completed in us-west-2"},
			map[string]string{"backups": "0"},
			nil,
		},
		{
			"the location is not available", func(s *sim.State) { here(s).Phase, here(s).Message = "Unavailable", "AccessDenied" }, incident.Fail,
			[]string{"the storage location default is Unavailable in us-west-2: AccessDenied"},
			nil, nil,
		},
		{"the location was never looked at", func(s *sim.State) { here(s).Phase = "" }, incident.Fail, []string{"default is not yet looked at in us-west-2"}, nil, nil},
		{
			"the bucket goes with the source", func(s *sim.State) { here(s).Region = east }, incident.Fail,
			[]string{"keeps its backups in us-east-1, and not in us-west-2"},
			nil, nil,
		},
		{"the bucket's Region is not said", func(s *sim.State) { here(s).Region = "" }, incident.Warn, []string{"does not say in which Region its bucket lies"}, nil, nil},
		{"the location is not there", func(s *sim.State) { delete(s.Velero.Locations, west) }, incident.Fail, []string{`the storage location "default" of the backup`}, nil, nil},
		{
			"Velero does not run", func(s *sim.State) { here(s).Validated = s.At.Add(-25 * time.Minute) }, incident.Unsure,
			[]string{"whether the storage location default can be read is not known: Velero last looked at it 25 min", "Available", "look whether Velero runs in us-west-2"},
			nil, nil,
		},
	}
	judge(t, "backup", cases)

	t.Run("without a limit in the settings", func(t *testing.T) {
		// 10 min between two, 2 for one, and 5.
		judge(t, "backup", []judged{
			{"young enough", func(*sim.State) {}, incident.Pass, []string{"(at most 17 min)"}, map[string]string{"limit": "one every 10 min"}, nil},
			{"one was left out", func(s *sim.State) {
				s.Velero.Paused = []sim.Pause{{From: s.At.Add(-41 * time.Minute), To: s.At.Add(-35 * time.Minute)}}
			}, incident.Pass, []string{"(at most 17 min)"}, nil, nil},
			{"too old", func(s *sim.State) { s.Velero.Paused = ago(s, 10*time.Minute) }, incident.Fail, []string{"at most 17 min is wanted"}, nil, nil},
			{"one alone", func(s *sim.State) {
				s.Velero.Paused = []sim.Pause{{From: s.At.Add(-24 * time.Hour), To: s.At.Add(-15 * time.Minute)}}
			}, incident.Unsure, []string{"there is one alone", `give "max_age_minutes" under "velero" in the settings`}, nil, nil},
		}, backedUp(t, func(s *velero.Settings) { s.MaxAgeMinutes = 0 }))
	})
	t.Run("where Velero is not in use", func(t *testing.T) {
		judge(t, "backup", []judged{{"not applicable", func(*sim.State) {}, incident.NotApplicable, []string{"not applicable: the settings name no Velero schedule of us-east-1"}, nil, nil}},
			backedUp(t, func(s *velero.Settings) { s.Regions = nil }))
	})
	t.Run("in a namespace that is wrong in the settings", func(t *testing.T) {
		judge(t, "backup", []judged{{"none", func(*sim.State) {}, incident.Fail, []string{"no backup of schedule ecommerce-prod is Completed"}, nil, nil}},
			backedUp(t, func(s *velero.Settings) { s.VeleroNamespace = "backups" }))
	})
}

// With the source gone nothing newer can be had: what counts is how old it was then.
func TestABackupIsHeldAgainstWhenTheOutageBegan(t *testing.T) {
	w := newWorld(t)
	w.wait(t, 3*time.Minute)
	w.change(t, func(s *sim.State) { s.Regions[east].Lost = true })
	began := w.clock.Now()
	w.wait(t, 20*time.Minute)
	a, c := w.call(t, "backup")
	o, ok, err := a.Look(t.Context(), c)
	if err != nil || ok || o.Measured.Verdict != incident.Fail {
		t.Errorf("planned: %t %q %v", ok, o.Summary, err)
	}
	c.Plan.Mode, c.Impact = "unplanned", began
	o, ok, err = a.Look(t.Context(), c)
	if err != nil || !ok || o.Measured.Verdict != incident.Warn || !strings.Contains(o.Summary, "it was 3 min old when the outage began") {
		t.Errorf("unplanned: %t %q %v", ok, o.Summary, err)
	}
	c.Impact = began.Add(15 * time.Minute)
	if o, ok, err = a.Look(t.Context(), c); err != nil || ok {
		t.Errorf("it was too old before: %t %q %v", ok, o.Summary, err)
	}
}

// A clock that is off makes every age wrong.
func TestABackupThatHasNotBegunYetIsUnknown(t *testing.T) {
	w := newWorld(t)
	w.wait(t, 4*time.Minute)
	now := w.clock.Now()
	slow := w.connections()
	slow.Clock = &behind{Clock: w.clock, by: 20 * time.Minute}
	a, c := w.call(t, "backup")
	a.Look = providers.Catalog(slow)[c.Step.Uses].Look
	o, ok, err := a.Look(t.Context(), c)
	if f := incident.CallErrorOf(err); err == nil || ok || !f.NeedsPerson || !strings.Contains(err.Error(), "it started at 2026-03-03T14:00:00Z") {
		t.Errorf("at %s: %t %q %v", now, ok, o.Summary, err)
	}
}

// behind is a clock that is slow.
type behind struct {
	incident.Clock
	by time.Duration
}

func (b *behind) Now() time.Time { return b.Clock.Now().Add(-b.by) }

func TestABackupThatCannotBeSeenIsUnknown(t *testing.T) {
	blind(t, "backup", "kubernetes", "list backups", "list backupstoragelocations")
}
