package sim

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func (s *stage) get(url string) (status int, region string, body map[string]any, err error) {
	ctx, cancel := s.clock.WithTimeout(s.ctx, 5*time.Second, errSlow)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	s.must(err)
	res, err := s.http.Do(r)
	if err != nil {
		return 0, "", nil, err
	}
	defer res.Body.Close()
	if err := json.NewDecoder(res.Body).Decode(&body); err != nil {
		return res.StatusCode, "", nil, err
	}
	return res.StatusCode, res.Header.Get(regionHeader), body, nil
}

// ready makes us-west-2 able to take orders.
func ready(st *State) {
	r := st.Regions[west]
	for _, svc := range services {
		name := svc.topology.Name
		n := int32(svc.topology.Replicas)
		r.Load[name], r.HPAs[name].Spec.MinReplicas, r.Deployments[name].Spec.Replicas = n, ptr(n), ptr(n)
		r.Pods = deletePods(r.Pods, name)
		for range n {
			st.newPod(r, r.Deployments[name], st.At).ReadyAt = st.At
		}
	}
	st.Database.Member(east).Writer, st.Database.Member(west).Writer = false, true
	st.Database.WritableSince = st.At
	st.Cache.Member(east).Primary, st.Cache.Member(west).Primary = false, true
}

func deletePods(pods []*Pod, service string) (left []*Pod) {
	for _, p := range pods {
		if p.Service != service {
			left = append(left, p)
		}
	}
	return left
}

func TestAnOrderNeedsEveryCondition(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(st *State)
		want  string // in the answer; empty for an order that is written
	}{
		{"nothing is missing", func(*State) {}, ""},
		{"the database is elsewhere", func(st *State) { st.Database.Member(east).Writer, st.Database.Member(west).Writer = true, false }, "read-only"},
		{"the database is changing its writer", func(st *State) {
			st.Database.Failover = &Failover{Status: "switching-over", From: west, To: east, Due: st.At.Add(time.Hour)}
		}, "switching-over"},
		{"the pods hold old connections", func(st *State) { st.Database.WritableSince = st.At.Add(time.Second) }, "former database writer"},
		{"one service holds old connections", func(st *State) {
			for _, p := range st.Regions[west].Pods {
				if p.Service == "payment-service" {
					p.Created = st.At.Add(-time.Hour)
				}
			}
		}, "payment-service"},
		{"the cache is not the primary", func(st *State) { st.Cache.Member(west).Primary = false }, "cache"},
		{"the service is fenced", func(st *State) { st.Regions[west].Deployments["user-service"].Spec.Replicas = ptr(int32(0)) }, "user-service is scaled to zero"},
		{"too few pods", func(st *State) {
			st.Regions[west].Pods = deletePods(st.Regions[west].Pods, "order-service")
		}, "overloaded"},
		{"the database has no instance", func(st *State) { st.Database.Member(west).Instances = 0 }, "no instance"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := quiet(t)
			s.must(s.Do(func(st *State) { ready(st); c.spoil(st) }))
			status, body := s.order("http://" + endpointHost(west))
			why, _ := body["error"].(string)
			switch {
			case c.want == "" && status != http.StatusCreated:
				t.Errorf("%d %v", status, body)
			case c.want != "" && (status != http.StatusServiceUnavailable || !strings.Contains(why, c.want)):
				t.Errorf("%d %v, want 503 with %q", status, body, c.want)
			}
			if n := s.Applied("POST " + orderPath); n != map[bool]int{true: 1}[c.want == ""] {
				t.Errorf("applied %d times", n)
			}
		})
	}
}

func TestAnOrderCanBeReadBackAndIsWrittenOnceForOneID(t *testing.T) {
	s := quiet(t)
	post := func() (int, map[string]any) {
		r, err := http.NewRequestWithContext(s.ctx, http.MethodPost, "http://"+recordName+orderPath, strings.NewReader(`{"id":"INC-1"}`))
		s.must(err)
		res, err := s.http.Do(r)
		s.must(err)
		defer res.Body.Close()
		var body map[string]any
		s.must(json.NewDecoder(res.Body).Decode(&body))
		return res.StatusCode, body
	}
	if status, body := post(); status != http.StatusCreated || body["region"] != east {
		t.Errorf("%d %v", status, body)
	}
	if status, _ := post(); status != http.StatusOK {
		t.Errorf("the second time: %d", status)
	}
	if n := len(s.Snapshot().Orders); n != 1 {
		t.Errorf("%d orders", n)
	}
	if status, region, body, err := s.get("http://" + recordName + orderPath + "/INC-1"); err != nil || status != 200 || region != east || body["status"] != "confirmed" {
		t.Errorf("%d %s %v %v", status, region, body, err)
	}
	if status, _, _, err := s.get("http://" + recordName + orderPath + "/other"); err != nil || status != 404 {
		t.Errorf("an order that is not there: %d %v", status, err)
	}
}

func TestHealthPagesSayWhichRegionAnswered(t *testing.T) {
	s := quiet(t)
	for _, svc := range services {
		if svc.topology.Health == "" {
			continue
		}
		for base, want := range map[string]string{"http://" + recordName: east, "http://" + endpointHost(west): west, "http://198.51.100.10": west, "http://" + albName(east): east} {
			status, region, body, err := s.get(base + svc.topology.Health)
			if err != nil || status != 200 || region != want || body["region"] != want {
				t.Errorf("%s%s: %d %s %v %v", base, svc.topology.Health, status, region, body, err)
			}
		}
	}
	if _, _, _, err := s.get("http://example.org/"); err == nil {
		t.Error("a host of the real internet was reached")
	}
}

func TestALostRegionsEndpointRefusesOrHangsToTheDeadline(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Lose: east}))
	var refused, hung int
	for range 12 {
		before := s.clock.Now()
		_, _, _, err := s.get("http://" + endpointHost(east) + "/healthz")
		switch {
		case err == nil:
			t.Fatal("answered")
		case errors.Is(err, syscall.ECONNREFUSED):
			refused++
		default:
			hung++
			if took := s.clock.Now().Sub(before); took != 5*time.Second {
				t.Errorf("hung for %s: %v", took, err)
			}
		}
	}
	if refused == 0 || hung == 0 {
		t.Errorf("%d refused, %d hung", refused, hung)
	}
	s.must(s.Happen(Event{Restore: east}))
	if status, _, _, err := s.get("http://" + endpointHost(east) + "/healthz"); err != nil || status != 200 {
		t.Errorf("after it is back: %d, %v", status, err)
	}
}

func TestManyProbesAtOnceKeepTheClockRight(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Lose: east}))
	var wg sync.WaitGroup
	for range 30 {
		done := s.clock.Busy()
		wg.Go(func() {
			defer done()
			for range 5 {
				_, _, _, _ = s.get("http://" + endpointHost(east) + "/healthz")
				_ = s.clock.Sleep(s.ctx, time.Second)
			}
		})
	}
	resume := s.clock.Idle()
	wg.Wait()
	resume()
	if took := s.clock.Now().Sub(s.scn.StartTime()); took > 32*time.Second {
		t.Errorf("five rounds of at most 6s took %s", took)
	}
	// A connection that net/http gave up on ends a moment later by itself.
	busy := 0
	for range 2000 {
		s.clock.mu.Lock()
		busy = s.clock.busy
		s.clock.mu.Unlock()
		if busy == 1 {
			return
		}
		pause(time.Millisecond)
	}
	t.Errorf("busy is %d, only the test itself is", busy)
}

func TestABotThatIsCutOffSeesNoPrimaryThoughEverybodyElseDoes(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{CutOff: east}))
	s.wait(2 * time.Minute)
	if _, _, _, err := s.get("http://" + endpointHost(east) + "/healthz"); err == nil {
		t.Error("the bot's own probe came through")
	}
	if got, _ := s.answered("ns-1", recordName); got != east {
		t.Errorf("the zone's servers answer %s", got)
	}
}

func TestHTTPFaults(t *testing.T) {
	s := quiet(t)
	url := "http://" + endpointHost(west) + "/api/v1/users/health"
	op := "GET /api/v1/users/health"
	for kind, want := range map[string]int{Throttle: 429, ServerFail: 503, Deny: 403} {
		s.must(s.Fault(Fault{System: "http", Operation: op, Kind: kind, Times: 1}))
		if status, _, _, err := s.get(url); err != nil || status != want {
			t.Errorf("%s: %d, %v", kind, status, err)
		}
	}
	for _, kind := range []string{Refuse, LostAnswer, Hang} {
		s.must(s.Fault(Fault{System: "http", Operation: op, Kind: kind, Times: 1}))
		before := s.clock.Now()
		if status, _, _, err := s.get(url); err == nil {
			t.Errorf("%s: %d", kind, status)
		}
		if took := s.clock.Now().Sub(before); kind == Hang && took != 5*time.Second {
			t.Errorf("hung for %s", took)
		}
	}
	if status, _, _, err := s.get(url); err != nil || status != 200 {
		t.Errorf("after the faults: %d, %v", status, err)
	}
}

func TestADegradedRegionFailsInPart(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Degrade: &Degrade{Region: east, FailPercent: 35, LatencyMS: 1800}}))
	bad := 0
	for range 100 {
		before := s.clock.Now()
		status, _, _, err := s.get("http://" + recordName + "/api/v1/orders/health")
		s.must(err)
		if status == 503 {
			bad++
		}
		if took := s.clock.Now().Sub(before); took < 1800*time.Millisecond {
			t.Fatalf("answered in %s", took)
		}
	}
	if bad < 20 || bad > 50 {
		t.Errorf("%d of 100 failed, want about 35", bad)
	}
}
