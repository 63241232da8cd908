package sim

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/aurora"
	"github.com/failoverbot/failoverbot/providers/cache"
	"github.com/failoverbot/failoverbot/providers/dns"
	"github.com/failoverbot/failoverbot/providers/takeover"
)

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTheWorldEvolvesTheSameWhoeverLooksAndHoweverOften(t *testing.T) {
	scn, err := Load("region-loss")
	if err != nil {
		t.Fatal(err)
	}
	often, seldom := begin(scn, 7, day), begin(scn, 7, day)
	act := func(s *State) {
		s.Database.Failover = &Failover{Status: "failing-over", From: east, To: west, DataLoss: true, Due: s.At.Add(time.Minute)}
		s.Regions[west].HPAs["order-service"].Spec.MinReplicas = ptr(int32(6))
	}
	at := day.Add(90500 * time.Millisecond)
	seldom.advance(scn, at)
	for d := time.Duration(0); d <= 90500*time.Millisecond; d += 500 * time.Millisecond {
		often.advance(scn, day.Add(d))
		often = often.clone() // as if each look were another process
	}
	act(often)
	act(seldom)
	end := at.Add(7 * time.Minute)
	for d := at; !d.After(end); d = d.Add(1700 * time.Millisecond) {
		often.advance(scn, d)
	}
	often.advance(scn, end)
	seldom.advance(scn, end)
	if a, b := asJSON(t, often), asJSON(t, seldom); a != b {
		t.Errorf("two worlds:\n%s\n%s", a, b)
	}
	if seldom.writer().Region != west {
		t.Error("nothing happened")
	}
}

func TestANewWorldOnTheSameFolderGoesOn(t *testing.T) {
	dir := t.TempDir()
	scn, err := Load("region-degraded")
	if err != nil {
		t.Fatal(err)
	}
	clock := NewClock(scn.StartTime(), Max)
	defer clock.Close()
	var ports map[string]string
	t.Run("first", func(t *testing.T) {
		s := onStage(t, scn, clock, Options{Dir: dir, Seed: 3})
		s.must(s.switchover(east))
		s.scale(west, "order-service", 6)
		s.must(s.Fault(Fault{Operation: "GetHealthCheck", Kind: Throttle, Times: 2}))
		ports = s.Snapshot().Ports
	})
	t.Run("second", func(t *testing.T) {
		s := onStage(t, scn, clock, Options{Dir: dir, Seed: 99})
		st := s.Snapshot()
		if st.Seed != 3 || st.Database.Failover == nil || len(st.Faults) != 1 || s.Applied("SwitchoverGlobalCluster") != 1 {
			t.Errorf("seed %d, failover %v, faults %v, applied %v", st.Seed, st.Database.Failover, st.Faults, st.Applied)
		}
		for name, addr := range ports {
			if st.Ports[name] != addr {
				t.Errorf("%s moved from %s to %s", name, addr, st.Ports[name])
			}
		}
		s.wait(80 * time.Second)
		if got := s.Snapshot().writer().Region; got != west {
			t.Errorf("the switchover did not go on: writer in %s", got)
		}
		if d := s.deployment(west, "order-service"); !rolledOut(d, 6) {
			t.Errorf("the roll-out did not go on: %+v", d.Status)
		}
	})
	other, err := Load("region-loss")
	if err != nil {
		t.Fatal(err)
	}
	if w, err := New(other, clock, Options{Dir: dir}); err == nil {
		_ = w.Close()
		t.Error("a folder of another scenario was taken")
	}
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if w, err := New(scn, clock, Options{Dir: dir}); err == nil {
		_ = w.Close()
		t.Error("a broken file was taken")
	}
}

func TestTwoProcessesPlayInOneWorld(t *testing.T) {
	dir := t.TempDir()
	scn := &Scenario{Name: "quiet"}
	clock := NewClock(day, Max)
	defer clock.Close()
	stage, err := New(scn, clock, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stage.Close() }()
	bot := onStage(t, scn, clock, Options{Dir: dir})
	if err := stage.Break(Breakage{Do: "throttle", What: "aws.rds", On: true}); err != nil {
		t.Fatal(err)
	}
	if err := bot.switchover(east); err == nil {
		t.Error("what was broken beside one is not broken for the other")
	}
	if err := stage.Break(Breakage{Do: "throttle", What: "aws.rds"}); err != nil {
		t.Fatal(err)
	}
	bot.must(bot.switchover(east))
	if st := stage.Snapshot(); st.Database.Failover == nil || stage.Applied("SwitchoverGlobalCluster") != 1 {
		t.Errorf("what one did the other does not see: %+v", st.Database)
	}
	const each = 50
	var both sync.WaitGroup
	for _, w := range []*World{stage, bot.World} {
		both.Go(func() {
			for range each {
				if err := w.Do(func(s *State) { s.Applied["counted"]++ }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	for name, w := range map[string]*World{"stage": stage, "bot": bot.World} {
		if n := w.Applied("counted"); n != 2*each {
			t.Errorf("the %s counts %d changes, %d were made", name, n, 2*each)
		}
	}
}

func TestTheStateIsOnDiskBeforeTheAnswerLeaves(t *testing.T) {
	dir := t.TempDir()
	scn := &Scenario{Name: "quiet"}
	clock := NewClock(day, Max)
	defer clock.Close()
	s := onStage(t, scn, clock, Options{Dir: dir})
	seen := 0
	s.OnCall(func(c Call, before bool) error {
		if before || c.Operation != "SwitchoverGlobalCluster" {
			return nil
		}
		data, err := os.ReadFile(filepath.Join(dir, "state.json"))
		if err != nil {
			return err
		}
		var st State
		if err := json.Unmarshal(data, &st); err != nil {
			return err
		}
		seen = st.Applied["SwitchoverGlobalCluster"]
		return nil
	})
	s.must(s.switchover(east))
	if seen != 1 {
		t.Errorf("the file knew of %d switchovers when the answer left", seen)
	}
}

// partOf is what the world says to one of the systems, which takes all of it.
func partOf[T any](t *testing.T, top runbook.Topology, key string) T {
	t.Helper()
	part, err := runbook.PartOf[T](top, key)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(top.Parts[key]))
	d.DisallowUnknownFields()
	if err := d.Decode(new(T)); err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return part
}

func TestTheTopologyAgreesWithTheWorld(t *testing.T) {
	s := quiet(t)
	top := s.Topology()
	db := partOf[aurora.Settings](t, top, "aurora")
	caches := partOf[cache.Settings](t, top, "cache")
	names := partOf[dns.Settings](t, top, "dns")
	buckets := partOf[takeover.Settings](t, top, "takeover")
	if len(top.Regions) != 2 || len(top.Services) != 5 || len(names.Nameservers) != 2 || len(names.Resolvers) != 4 {
		t.Fatalf("%+v", top)
	}
	for _, name := range regionNames {
		r := top.Regions[name]
		st := s.Snapshot()
		if m := st.Database.Member(name); m.ARN != db.Regions[name].DBClusterARN || m.Cluster != db.Regions[name].DBCluster {
			t.Errorf("%s: database %+v", name, m)
		}
		if m := st.Cache.Member(name); m.Group != caches.Regions[name].CacheGroup {
			t.Errorf("%s: cache %+v", name, m)
		}
		if status, region, _, err := s.get(r.Endpoint + "/healthz"); err != nil || status != 200 || region != name {
			t.Errorf("%s: endpoint %d %s %v", name, status, region, err)
		}
		bucket := buckets.Regions[name].TakeoverBucket
		if _, ok := st.Regions[name].Buckets[bucket]; !ok {
			t.Errorf("%s: no bucket %s", name, bucket)
		}
		for _, svc := range top.Services {
			if st.Regions[name].Deployments[svc.Name] == nil {
				t.Errorf("%s: no %s", name, svc.Name)
			}
		}
	}
}
