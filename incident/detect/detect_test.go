package detect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/detect"
)

const (
	east = "us-east-1"
	west = "us-west-2"
)

var noon = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// world is what a detector is shown, observation by observation.
type world struct {
	t   *testing.T
	d   detect.Detector
	now time.Time
	say map[string]incident.Verdict // by the signal's name; one that is not there is silent
	// writes is the Region of the writer; empty: nobody tells.
	writes string
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: noon, writes: east, say: map[string]incident.Verdict{}}
	for _, s := range w.signals() {
		w.say[s.Name()] = incident.Pass
	}
	return w
}

// signals are all that are watched.
func (w *world) signals() []detect.Signal {
	return []detect.Signal{
		{Kind: detect.Pages, Region: east},
		{Kind: detect.Pages, Region: west},
		{Kind: detect.Control},
		{Kind: detect.DNS, Region: east},
		{Kind: detect.HealthCheck, Region: east},
		{Kind: detect.Alarm, Region: east},
		{Kind: detect.Requests, Region: east},
		{Kind: detect.Errors, Region: east},
		{Kind: detect.Replication, Region: east},
		{Kind: detect.Pager},
	}
}

// pass is one pass of ten seconds, with what is read once a minute when that is due.
func (w *world) pass() detect.Situation {
	for _, s := range w.signals() {
		v, there := w.say[s.Name()]
		if s.Kind.Every() == detect.Seldom && w.now.Sub(noon)%time.Minute != 0 {
			continue
		}
		s.Verdict, s.AsOf = v, w.now
		if !there {
			s.Verdict, s.Summary = incident.Unsure, "no answer"
		}
		w.d.Observe(w.now, s)
	}
	if w.writes != "" && w.now.Sub(noon)%time.Minute == 0 {
		w.d.Observe(w.now, detect.Signal{Kind: detect.Writer, Region: w.writes, Measured: incident.Measured{Verdict: incident.Pass, AsOf: w.now}})
	}
	now := w.now
	w.now = w.now.Add(10 * time.Second)
	return w.d.Assess(now, east, west)
}

// after lets time pass and returns the last situation, and when a failover was first to be
// proposed; negative if never.
func (w *world) after(d time.Duration) (s detect.Situation, first time.Duration) {
	began := w.now
	first = -1
	for w.now.Sub(began) < d {
		at := w.now.Sub(began)
		if s = w.pass(); s.Propose && first < 0 {
			first = at
		}
	}
	return s, first
}

func (w *world) set(v incident.Verdict, names ...string) {
	for _, n := range names {
		if _, there := w.say[n]; !there && v != incident.Unsure {
			w.t.Fatalf("there is no signal %q", n)
		}
		if w.say[n] = v; v == incident.Unsure {
			delete(w.say, n)
		}
	}
}

const (
	pagesEast, pagesWest, control = "pages of us-east-1", "pages of us-west-2", "control"
	dnsEast, check, alarm         = "dns of us-east-1", "health check of us-east-1", "alarm of us-east-1"
	requests, failed, replication = "requests of us-east-1", "errors of us-east-1", "replication of us-east-1"
	pager                         = "pagerduty"
)

// What is proposed of which signals, after 20 minutes of each.
func TestWhatHasAFailoverProposed(t *testing.T) {
	const never = time.Duration(-1)
	for name, c := range map[string]struct {
		bad, silent []string
		writes      string // "-": nobody tells
		within      time.Duration
		views       []string
		moved, cut  bool
	}{
		"all is well":                             {within: never},
		"all is silent":                           {silent: []string{pagesEast, pagesWest, control, dnsEast, check, alarm, requests, failed, replication, pager}, writes: "-", within: never},
		"only the pages":                          {bad: []string{pagesEast}, within: never, views: []string{"from here"}},
		"pages and errors":                        {bad: []string{pagesEast, failed}, within: 3 * time.Minute, views: []string{"from here", "load balancer"}},
		"pages and DNS":                           {bad: []string{pagesEast, dnsEast}, within: time.Minute, views: []string{"Route 53", "from here"}, moved: true},
		"all of Route 53 but DNS is one view":     {bad: []string{check, alarm, requests}, within: never, views: []string{"Route 53"}},
		"Route 53's check and the standby":        {bad: []string{check, replication}, within: 3 * time.Minute, views: []string{"Route 53", "standby"}},
		"DNS moved, all else is well":             {bad: []string{dnsEast}, within: time.Minute, views: []string{"Route 53"}, moved: true},
		"DNS moved and who writes is not known":   {bad: []string{dnsEast}, writes: "-", within: never, views: []string{"Route 53"}},
		"DNS moved and so has the writer":         {bad: []string{dnsEast}, writes: west, within: never, views: []string{"Route 53"}},
		"Route 53 is silent in us-east-1":         {bad: []string{pagesEast, replication}, silent: []string{check, alarm}, within: 3 * time.Minute, views: []string{"from here", "standby"}},
		"people are paged and the pages fail":     {bad: []string{pagesEast, pager}, within: never, views: []string{"from here"}},
		"the other Region fails":                  {bad: []string{pagesWest}, within: never},
		"both Regions fail":                       {bad: []string{pagesEast, pagesWest, dnsEast, replication}, within: never, views: []string{"Route 53", "from here", "standby"}, moved: true},
		"the bot is cut off":                      {bad: []string{pagesEast, pagesWest, control}, silent: []string{dnsEast, check, alarm, requests, failed, replication, pager}, writes: "-", within: never, cut: true},
		"the bot is cut off from one Region":      {bad: []string{pagesEast}, silent: []string{check, alarm, failed}, within: never, views: []string{"from here"}},
		"cut off, and the standby hears no more":  {bad: []string{pagesEast, pagesWest, control, replication}, silent: []string{dnsEast}, within: never, views: []string{"standby"}, cut: true},
		"the control fails and the standby's not": {bad: []string{control, pagesEast, replication}, within: 3 * time.Minute, views: []string{"from here", "standby"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.after(5 * time.Minute)
			w.set(incident.Fail, c.bad...)
			w.set(incident.Unsure, c.silent...)
			if c.writes != "" {
				w.writes = map[string]string{"-": ""}[c.writes]
				if c.writes != "-" {
					w.writes = c.writes
				}
				w.after(6 * time.Minute) // who wrote before is not known by now
				w.d.Forget()
				w.after(2 * time.Minute)
			}
			s, first := w.after(20 * time.Minute)
			if c.within == never && first >= 0 {
				t.Errorf("a failover is proposed after %s", first)
			}
			if c.within != never && (first < 0 || first > c.within) {
				t.Errorf("a failover is proposed after %s, want within %s", first, c.within)
			}
			if !slices.Equal(s.Views, c.views) || s.Moved != c.moved || s.CutOff != c.cut {
				t.Errorf("views %v, moved %t, cut off %t", s.Views, s.Moved, s.CutOff)
			}
		})
	}
}

// An outage ends: the proposal is no longer made, and it is well again, only once enough
// observations say so.
func TestASituationIsWellAgainForGood(t *testing.T) {
	w := newWorld(t)
	w.after(2 * time.Minute)
	w.set(incident.Fail, pagesEast, dnsEast)
	s, first := w.after(time.Minute)
	if first < 0 || s.Well || !s.Began.Equal(noon.Add(2*time.Minute)) {
		t.Fatalf("proposed after %s, well %t, began %s", first, s.Well, s.Began)
	}
	w.set(incident.Pass, pagesEast, dnsEast)
	if s = w.pass(); !s.Propose || s.Well {
		t.Errorf("after one good observation: propose %t, well %t", s.Propose, s.Well)
	}
	w.pass()
	if s = w.pass(); s.Propose || !s.Well {
		t.Errorf("after three good observations: propose %t, well %t", s.Propose, s.Well)
	}
	// What falls silent is not well.
	w.set(incident.Fail, pagesEast, dnsEast)
	w.after(time.Minute)
	w.set(incident.Unsure, pagesEast, dnsEast)
	if s, _ = w.after(3 * time.Minute); s.Propose || s.Well {
		t.Errorf("of silence: propose %t, well %t", s.Propose, s.Well)
	}
}

// A signal that flaps turns nothing, however long it does so.
func TestWhatFlapsTurnsNothing(t *testing.T) {
	w := newWorld(t)
	w.after(2 * time.Minute)
	w.d.Kept(w.d.Changed(w.now))
	turned := 0
	for i := range 6 * 60 * 24 { // a day
		v := incident.Pass
		if i%4 < 2 {
			v = incident.Fail
		}
		w.set(v, pagesEast, dnsEast)
		if s := w.pass(); s.Propose {
			t.Fatalf("proposed after %d passes", i)
		}
		changed := w.d.Changed(w.now)
		w.d.Kept(changed)
		turned += len(changed)
	}
	if turned > 0 {
		t.Errorf("%d changes are told of signals that flap", turned)
	}
}

// A day of noise: every few minutes something fails or falls silent by itself, for up to five
// minutes, and now and then something else right behind it; nothing of another view does so
// for long at the same time.
func TestADayOfNoiseProposesNothing(t *testing.T) {
	for seed := range uint64(4) {
		w, draw := newWorld(t), rand.New(rand.NewPCG(seed, 0))
		noise := w.signals()
		noise = slices.DeleteFunc(noise, func(s detect.Signal) bool { return s.Kind == detect.DNS }) // moved for real is an outage
		failing, left := "", 0
		failed := 0
		for range 6 * 60 * 24 {
			if left--; left < 0 {
				if failing != "" {
					w.say[failing] = incident.Pass
				}
				failing = noise[draw.IntN(len(noise))].Name()
				w.set([]incident.Verdict{incident.Fail, incident.Fail, incident.Unsure}[draw.IntN(3)], failing)
				left = draw.IntN(30)
				failed++
				if draw.IntN(3) > 0 {
					w.say[failing], failing, left = incident.Pass, "", 12+draw.IntN(30)
				}
			}
			if s := w.pass(); s.Propose || s.CutOff {
				t.Fatalf("seed %d, %s: %v", seed, w.now.Format(time.TimeOnly), s.Views)
			}
		}
		if failed < 200 {
			t.Errorf("seed %d: only %d failures", seed, failed)
		}
	}
}

// Observations that are late, of the future, repeated or of another Region count for nothing.
func TestWhatIsNoObservation(t *testing.T) {
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	for name, observe := range map[string]func(d *detect.Detector, i int){
		"late": func(d *detect.Detector, i int) {
			d.Observe(at(0), fails(detect.Pages, east, at(time.Duration(-i-5)*time.Minute)))
		},
		"of the future": func(d *detect.Detector, i int) {
			d.Observe(at(0), fails(detect.Pages, east, at(time.Duration(i+2)*time.Minute)))
		},
		"repeated": func(d *detect.Detector, _ int) { d.Observe(at(0), fails(detect.Pages, east, at(0))) },
		"of another Region": func(d *detect.Detector, i int) {
			d.Observe(at(0), fails(detect.Pages, west, at(time.Duration(i)*time.Second)))
		},
		"unknown": func(d *detect.Detector, i int) {
			s := fails(detect.Pages, east, at(time.Duration(i)*time.Second))
			s.Verdict = incident.Unsure
			d.Observe(at(0), s)
		},
		"without a verdict": func(d *detect.Detector, i int) {
			s := fails(detect.Pages, east, at(time.Duration(i)*time.Second))
			s.Verdict = ""
			d.Observe(at(0), s)
		},
		"older than another": func(d *detect.Detector, i int) {
			d.Observe(at(0), fails(detect.Pages, east, at(time.Duration(-i)*time.Second)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var d detect.Detector
			d.Observe(at(0), detect.Signal{Kind: detect.Control, Measured: incident.Measured{Verdict: incident.Pass, AsOf: at(0)}})
			for i := range 10 {
				observe(&d, i)
			}
			if s := d.Assess(at(0), east, west); len(s.Views) > 0 {
				t.Errorf("it counts: %+v", s.Bad)
			}
		})
	}
	// And what does count is seen with the same helper.
	var d detect.Detector
	d.Observe(at(0), detect.Signal{Kind: detect.Control, Measured: incident.Measured{Verdict: incident.Pass, AsOf: at(0)}})
	for i := range 3 {
		d.Observe(at(0), fails(detect.Pages, east, at(time.Duration(i)*time.Second)))
	}
	if s := d.Assess(at(0), east, west); len(s.Views) != 1 {
		t.Errorf("three observations in a row count for nothing: %+v", s)
	}
}

func fails(k detect.Kind, region string, asOf time.Time) detect.Signal {
	return detect.Signal{Kind: k, Region: region, Measured: incident.Measured{Verdict: incident.Fail, AsOf: asOf}}
}

// What is told as a change is a change against the record, also by a process that has just
// begun, and a signal that falls silent is told once.
func TestAChangeIsToldOnce(t *testing.T) {
	w := newWorld(t)
	told := func() (names []string) {
		for _, s := range w.d.Changed(w.now) {
			names = append(names, fmt.Sprintf("%s %s", s.Name(), s.Verdict))
		}
		w.d.Kept(w.d.Changed(w.now))
		return names
	}
	w.after(3 * time.Minute)
	if n := len(told()); n != 11 {
		t.Errorf("%d signals are told at first", n)
	}
	w.after(10 * time.Minute)
	if got := told(); len(got) > 0 {
		t.Errorf("told again: %v", got)
	}
	w.set(incident.Fail, pagesEast)
	w.after(time.Minute)
	if got := told(); !slices.Equal(got, []string{"pages of us-east-1 fail"}) {
		t.Errorf("told: %v", got)
	}
	// Another process knows what the record has.
	former := w.d
	w.d = detect.Detector{}
	for _, s := range w.signals() {
		s.Verdict = w.say[s.Name()]
		w.d.Recall(s)
	}
	w.d.Recall(detect.Signal{Kind: detect.Writer, Region: east, Measured: incident.Measured{Verdict: incident.Pass}})
	w.after(10 * time.Minute)
	if got := told(); len(got) > 0 {
		t.Errorf("told by another process: %v", got)
	}
	w.d = former
	w.set(incident.Unsure, pagesEast)
	w.after(10 * time.Minute)
	if got := told(); !slices.Equal(got, []string{"pages of us-east-1 unknown"}) {
		t.Errorf("told of silence: %v", got)
	}
}
