package sim

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// real is whether an order that reaches a Region over HTTP at this very moment is
// written and can be read back.
func (s *stage) real(region string) (ok bool) {
	defer func() {
		if recover() != nil { // the connection ends without an answer
			ok = false
		}
	}()
	if region == "" {
		return false
	}
	served := s.platform(region, viaPublic)
	send := func(method, path string) int {
		out := httptest.NewRecorder()
		served.ServeHTTP(out, httptest.NewRequestWithContext(s.ctx, method, "http://"+recordName+path, http.NoBody))
		return out.Code
	}
	id := "/real-" + s.clock.Now().Format(TimeFormat)
	r := httptest.NewRequestWithContext(s.ctx, http.MethodPost, "http://"+recordName+orderPath, http.NoBody)
	r.Header.Set("Idempotency-Key", id[1:])
	out := httptest.NewRecorder()
	served.ServeHTTP(out, r)
	return out.Code == http.StatusCreated && send(http.MethodGet, orderPath+id) == http.StatusOK
}

// Through a whole move, second for second, the world's own order gets what a real
// one gets that is sent at the same moment.
func TestTheWorldsOwnOrdersGetWhatARealOneGets(t *testing.T) {
	s := quiet(t)
	story := map[int]func(){
		5: func() {
			for _, svc := range services {
				s.scale(west, svc.topology.Name, svc.topology.Replicas)
			}
		},
		80: func() {
			for _, svc := range services {
				if svc.topology.Writes {
					s.replicas(east, svc.topology.Name, 0)
				}
			}
			s.must(s.switchover(east))
		},
		170: func() {
			s.must(s.Do(func(st *State) { st.Cache.Status, st.Cache.To, st.Cache.Due = "modifying", west, st.At.Add(cacheTime) }))
		},
		220: func() {
			for _, svc := range services {
				s.restart(west, svc.topology.Name)
			}
		},
		400: func() { s.must(s.Happen(Event{Lose: east})) },
		460: func() { s.replicas(west, "product-service", 1) },
		470: func() {
			s.must(s.Happen(Event{Fault: &Fault{System: "http", Operation: "GET " + orderPath + "/{id}", Kind: ServerFail}}))
		},
		480: func() { s.must(s.Do(func(st *State) { st.Faults = nil })) },
		490: func() { s.must(s.Happen(Event{Lose: west})) },
	}
	seen := map[byte]int{}
	for n := range 500 {
		if act := story[n]; act != nil {
			act()
		}
		// To the next whole second.
		s.wait(s.clock.Now().Truncate(time.Second).Add(time.Second).Sub(s.clock.Now()))
		st := s.Snapshot()
		l := st.OwnOrders
		if at := l.at(len(l.Log) - 1); !at.Equal(s.clock.Now()) {
			t.Fatalf("at %s the newest order is of %s", s.clock.Now(), at)
		}
		own, region := l.Log[len(l.Log)-1], st.ZoneAnswer()
		want := byte(orderFailed)
		if s.real(region) {
			want = orderLetters[region]
		}
		if own != want {
			t.Errorf("after %d s: the world's own order is %q, a real one %q (%s)", n, own, want, st.CannotOrder(region))
		}
		seen[own]++
	}
	for _, letter := range []byte{'e', 'w', orderFailed} {
		if seen[letter] < 20 {
			t.Errorf("%d orders of %q", seen[letter], letter)
		}
	}
}

func TestTheWorldsOwnOrdersAreNobodyElsesBusiness(t *testing.T) {
	s := quiet(t)
	s.must(s.Fault(Fault{System: "http", Kind: ServerFail, Times: 1}))
	s.wait(10 * time.Minute)
	st := s.Snapshot()
	if l := st.OwnOrders; len(l.Log) != 601 || strings.Trim(l.Log, "e") != "" || !l.From.Equal(s.scn.StartTime()) {
		t.Errorf("%d orders since %s: %s", len(l.Log), l.From, l.Log)
	}
	if len(s.Calls()) != 0 || len(st.Orders) != 0 || len(st.Applied) != 0 || len(st.Turns) != 0 {
		t.Errorf("%d calls, %d orders, applied %v, turns %v", len(s.Calls()), len(st.Orders), st.Applied, st.Turns)
	}
	if len(st.Faults) != 1 {
		t.Error("a fault that was meant for a call is used up")
	}
	if st.ordered(east, viaPublic) {
		t.Error("they count as an order that a scenario expects")
	}
}

func TestOrdersOfAHalfWorkingRegionFailInPart(t *testing.T) {
	s := quiet(t)
	s.must(s.Happen(Event{Degrade: &Degrade{Region: east, FailPercent: 30}}))
	s.wait(1000 * time.Second)
	l := s.Snapshot().OwnOrders
	// Written and read back: two requests, each of which may fail.
	if n := strings.Count(l.Log, "e"); n < 440 || n > 540 {
		t.Errorf("%d of %d orders got through, about 490 are to be expected", n, len(l.Log))
	}
}

func TestAnOrderLogIsBoundedAndBeginsAnewAfterAGap(t *testing.T) {
	var l OrderLog
	for i := range orderKept + 2*orderHour {
		l.add(day.Add(time.Duration(i)*time.Second), 'e')
	}
	if len(l.Log) > orderKept+orderHour || !l.at(len(l.Log)-1).Equal(day.Add(26*time.Hour-time.Second)) {
		t.Errorf("%d letters from %s", len(l.Log), l.From)
	}
	later := day.Add(40 * time.Hour)
	l.add(later, 'w')
	if l.Log != "w" || !l.From.Equal(later) {
		t.Errorf("after a gap: %+v", l)
	}
}

func TestOrderFigures(t *testing.T) {
	at := func(s int) time.Time { return day.Add(time.Duration(s) * time.Second) }
	moved := func(regions ...Since) []Since { return append([]Since{{day.Add(-time.Hour), east}}, regions...) }
	for name, c := range map[string]struct {
		log           string
		writers       []Since
		agreed, until int // seconds; 0 is none
		last, first   int // -1 is none
		served        int
		failing       bool
	}{
		"a clean move":                    {"eeeee-----wwwww", moved(Since{at(7), west}), 3, 0, 4, 10, 10, false},
		"failing in part before":          {"eee-e-e-----www", moved(Since{at(9), west}), 2, 0, 6, 12, 12, false},
		"served before it is steady":      {"eeee---w-w--www", moved(Since{at(6), west}), 2, 0, 3, 12, 7, false},
		"the move and an order at once":   {"eeewww", moved(Since{at(3), west}), 1, 0, 2, 3, 3, false},
		"stopped long before Go":          {"ee---------www", moved(Since{at(8), west}), 5, 0, 1, 11, 11, false},
		"not back":                        {"eeee----------", moved(Since{at(8), west}), 2, 0, 3, -1, -1, true},
		"gone again at the end":           {"eeee----www---", moved(Since{at(6), west}), 2, 0, 3, -1, 8, true},
		"the writer did not move":         {"eeee----------", moved(), 2, 0, 3, -1, -1, true},
		"nothing happened":                {"eeeeeeeeeeeeee", moved(), 2, 0, 13, -1, -1, false},
		"nobody agreed":                   {"eeeeeee----www", moved(Since{at(9), west}), 0, 0, 13, -1, -1, false},
		"as far as the next one":          {"eee--www---eee", moved(Since{at(4), west}, Since{at(9), east}), 1, 8, 2, 5, 5, false},
		"a move that was there before Go": {"eee--wwwwww", moved(Since{at(4), west}), 7, 0, 10, -1, 7, false},
		"no order at all":                 {"", moved(), 2, 0, -1, -1, -1, false},
		"none got through":                {"-----", moved(), 2, 0, -1, -1, -1, true},
	} {
		t.Run(name, func(t *testing.T) {
			when := func(s int) time.Time {
				if s < 0 {
					return time.Time{}
				}
				return at(s)
			}
			s := &State{OwnOrders: OrderLog{From: day, Log: c.log}, Database: Database{Writers: c.writers}}
			var agreed, until time.Time
			if c.agreed > 0 {
				agreed = at(c.agreed)
			}
			if c.until > 0 {
				until = at(c.until)
			}
			f := s.orderFigures(west, agreed, until)
			want := OrderFigures{Target: west, Go: agreed, Last: when(c.last), First: when(c.first), Served: when(c.served), Failing: c.failing}
			if f != want {
				t.Errorf("\n%+v, want\n%+v", f, want)
			}
			stopped, served := time.Duration(0), time.Duration(0)
			if c.last >= 0 && c.first >= 0 {
				stopped = at(c.first).Sub(at(c.last))
			}
			if c.served >= 0 {
				served = at(c.served).Sub(agreed)
			}
			if f.Stopped() != stopped || f.GoToServed() != served {
				t.Errorf("stopped for %s, from Go to served %s", f.Stopped(), f.GoToServed())
			}
		})
	}
}
