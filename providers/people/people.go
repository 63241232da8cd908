// Package people looks at what only people know: whether whoever is on call can open the
// consoles, whether the commander and support are there, whether deployments are frozen,
// and whether partners know the addresses that both Regions send from.
//
// What somebody says counts for them alone, and for as long as the settings say: a check
// tells how old it is, and whose word it lacks ([engine.Outcome.Asks]), so that they can
// be asked. It is read from the record, and without the record it is unknown. Nothing
// waits for any of it: all of it is meant as advice.
package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Record is the part of the record that tells what people have said. A Book is one.
type Record interface {
	// View shows the State of a timeline to see, which must neither change nor keep it.
	View(ctx context.Context, id incident.ID, see func(*incident.State)) error
}

// FacePager is the face under which the roster has the ids of PagerDuty.
const FacePager = "pagerduty"

// OnCall is somebody who is on call.
type OnCall struct {
	// ID is PagerDuty's.
	ID, Name string
	// Level of the escalation policy; 1 is paged first.
	Level int
	// Until is when their turn ends; zero: it has no end.
	Until time.Time
}

// Taken is by whom a page was acknowledged, by PagerDuty's id, and when.
type Taken struct {
	ID, Name string
	At       time.Time
}

// Options are what it takes to know what people say.
type Options struct {
	Clock  incident.Clock
	Roster incident.Roster
	// Record has what people have said. Nil: nobody keeps that, and it is unknown.
	Record Record
	// OnCall are those who are on call now, the first to be paged first. Nil: nobody can
	// tell.
	OnCall func(ctx context.Context) ([]OnCall, error)
	// Taken are the acknowledgements of an incident's page. Nil: there is none.
	Taken func(ctx context.Context, id incident.ID) ([]Taken, error)
	// Support says that the settings name somebody of support.
	Support bool
	// Dial opens the connection to the page that tells of a freeze; nil is the machine's
	// own.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// People tell what no API does.
type People struct {
	Options
	client *http.Client
}

// New returns People.
func New(o Options) *People {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true
	if o.Dial != nil {
		t.DialContext = o.Dial
	}
	return &People{o, &http.Client{Transport: t}}
}

// recordWithin is how long the record may take.
const recordWithin = 3 * time.Second

// view shows a timeline.
func (p *People) view(ctx context.Context, id incident.ID, see func(*incident.State)) error {
	if p.Record == nil {
		return &incident.CallError{
			NeedsPerson: true, Err: errors.New("what people have said is on the record, and there is none here"),
			Hint: "set REDIS_URL, or ask the bot in Slack",
		}
	}
	ctx, stop := p.Clock.WithTimeout(ctx, recordWithin, fmt.Errorf("the record was not read within %s", recordWithin))
	defer stop()
	if err := p.Record.View(ctx, id, see); err != nil {
		return fmt.Errorf("read what people have said: %w", err)
	}
	return nil
}

// said is the newest that each of these people has said about that, by their ids; under
// the empty id the newest that anybody has.
func (p *People) said(ctx context.Context, subject string, people ...string) (map[string]incident.Confirmed, error) {
	out := map[string]incident.Confirmed{}
	err := p.view(ctx, incident.PlatformLog, func(s *incident.State) {
		for _, id := range append(people, "") {
			if c, ok := s.Platform.Said(subject, id); ok {
				out[id] = c
			}
		}
	})
	return out, err
}

func settingsOf(c engine.Call) (Settings, error) {
	if _, given := c.Plan.Topology.Parts[Platform.Key]; !given {
		return Settings{}, nil // a run that was frozen without
	}
	return runbook.PartOf[Settings](c.Plan.Topology, Platform.Key)
}

func none(now time.Time, why string) (engine.Outcome, bool, error) {
	return engine.Outcome{
		Summary: "not applicable: " + why, Evidence: map[string]string{"not_applicable": why},
		Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: now},
	}, true, nil
}

// days is an age as people say it.
func days(d time.Duration) string {
	switch n := int(d / day); {
	case n > 1:
		return fmt.Sprintf("%d days ago", n)
	case d >= time.Minute:
		return text.Duration(d.Truncate(time.Minute)) + " ago"
	}
	return "just now"
}

// aged judges an answer by its age.
type aged struct {
	at    time.Time
	limit time.Duration
	now   time.Time
}

func (a aged) figure(name, unit string, per time.Duration) incident.Figure {
	limit := a.limit.Hours() / per.Hours()
	return incident.Figure{Name: name, Value: float64(int(10*a.now.Sub(a.at).Hours()/per.Hours())) / 10, Unit: unit, Limit: &limit}
}

func (a aged) old() bool { return a.now.Sub(a.at) > a.limit }

// skewed says that an answer is from the future: then a clock is wrong, and no age is known.
func (a aged) skewed() bool { return a.at.Sub(a.now) > 5*time.Minute }

// Access checks that each of those who are paged first has said, within the limit of the
// settings, that they can open the consoles of both Regions.
func (p *People) Access(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	set, err := settingsOf(c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	now := p.Clock.Now()
	if p.OnCall == nil {
		return none(now, "the settings name no service of PagerDuty (pagerduty.service), so nobody can tell who is on call")
	}
	all, err := p.OnCall(ctx)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	o := engine.Outcome{Evidence: map[string]string{"on_call": fmt.Sprint(len(all))}, Measured: incident.Measured{AsOf: now}}
	if len(all) == 0 {
		o.Summary, o.Measured.Verdict = "nobody is on call by the escalation policy of the service in PagerDuty", incident.Fail
		return o, false, nil
	}
	var ids, strangers []string
	var first []OnCall
	names := map[string]string{}
	for _, one := range all {
		o.Evidence[fmt.Sprintf("level %d, %s", one.Level, one.ID)] = until(one)
		if one.Level != all[0].Level {
			continue
		}
		who, ok := p.Roster.Of(incident.Via{Face: FacePager, ID: one.ID})
		if !ok {
			strangers = append(strangers, fmt.Sprintf("%s (%s)", text.Inline(one.Name), one.ID))
			continue
		}
		ids, first = append(ids, who.ID), append(first, one)
		names[who.ID] = who.Name
	}
	said, err := p.said(ctx, incident.Access, ids...)
	if err != nil {
		return o, false, err
	}
	regions := text.List(slices.Sorted(maps.Keys(c.Plan.Topology.Regions)), "and")
	var well, bad, lack []string
	for i, id := range ids {
		s, ok := said[id]
		a := aged{s.At, set.access(), now}
		switch {
		case !ok:
			bad = append(bad, names[id]+" has not said whether they can open the consoles of both Regions")
		case a.skewed():
			return o, false, &incident.CallError{
				NeedsPerson: true, Err: fmt.Errorf("how old the word of %s is cannot be told: it is of %s, and it is %s here", names[id], text.ToDay.UTC(s.At), text.ToDay.UTC(now)),
				Hint: "set the clock of this machine",
			}
		case !s.Yes:
			bad = append(bad, fmt.Sprintf("%s said %s that they cannot open the consoles of both Regions%s", names[id], days(now.Sub(s.At)), because(s.Reason)))
		case a.old():
			bad = append(bad, fmt.Sprintf("%s said %s that they can open the consoles of both Regions, and that counts for %d days", names[id], days(now.Sub(s.At)), int(a.limit/day)))
		default:
			well = append(well, fmt.Sprintf("%s is on call%s and said %s that they can open the consoles of both Regions", names[id], turn(first[i]), days(now.Sub(s.At))))
		}
		if ok {
			o.Measured.Figures = append(o.Measured.Figures, a.figure("age of the answer of "+names[id], "days", day))
			o.Evidence["answer of "+id] = yes(s.Yes) + ", " + s.At.UTC().Format(time.RFC3339)
		}
		if !ok || !s.Yes || a.old() {
			lack = append(lack, id)
		}
	}
	for _, s := range strangers {
		bad = append(bad, s+" is on call and is not on the roster under that id of PagerDuty, so nobody can be asked")
	}
	if len(lack) > 0 {
		o.Asks = &incident.Wanted{
			Subject: incident.Access, Of: lack,
			Question: fmt.Sprintf("You are on call for %s. Can you open the AWS consoles of both Regions, %s, and act there? Please try both now.", c.Plan.Topology.Platform, regions),
			Yes:      "I can open both", No: "I cannot",
		}
	}
	if len(bad) > 0 {
		o.Summary, o.Measured.Verdict = strings.Join(append(bad, well...), "; "), incident.Fail
		return o, false, nil
	}
	o.Summary, o.Measured.Verdict = strings.Join(well, "; "), incident.Pass
	return o, true, nil
}

func until(one OnCall) string { return text.Inline(one.Name) + turn(one) }

// turn is how long somebody is on call.
func turn(one OnCall) string {
	if one.Until.IsZero() {
		return ""
	}
	return " until " + text.ToDay.UTC(one.Until)
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + text.Shorten(text.Inline(reason), 200)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// Commander waits until one of the commanders has done something in the incident, which
// declaring it is, or has taken its page. Outside an incident it does not apply.
func (p *People) Commander(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	now := p.Clock.Now()
	if c.Incident == "" {
		return none(now, "no incident is under way, so there is nothing to be notified of")
	}
	commanders := p.Roster.With(incident.RoleCommander)
	var who incident.Person
	var at, declared time.Time
	by := ""
	if err := p.view(ctx, c.Incident, func(s *incident.State) {
		declared = s.DeclaredAt
		for _, one := range commanders {
			if t, acted := s.Acted(one.ID); acted && (at.IsZero() || t.Before(at)) {
				who, at, by = one, t, "acted in the incident"
			}
		}
		if who.ID != "" && who.ID == s.DeclaredBy {
			by = "declared it"
		}
	}); err != nil {
		return engine.Outcome{}, false, err
	}
	unread := ""
	if who.ID == "" && p.Taken != nil {
		taken, err := p.Taken(ctx, c.Incident)
		if err != nil {
			unread = "; whether one has taken the page is unknown: " + text.Bare(err)
		}
		for _, t := range taken {
			if one, ok := p.Roster.Of(incident.Via{Face: FacePager, ID: t.ID}); ok && one.Has(incident.RoleCommander) && who.ID == "" {
				who, at, by = one, t.At, "acknowledged the page in PagerDuty"
			}
		}
	}
	return here(now, "commander", who.Name, by, at, declared, "no commander has been heard of: "+names(commanders)+unread)
}

// Support waits until somebody of support has said in the incident that they are here.
// Outside an incident, and where the settings name nobody, it does not apply.
func (p *People) Support(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	now := p.Clock.Now()
	switch {
	case !p.Options.Support:
		return none(now, "the settings name nobody of support (slack.support)")
	case c.Incident == "":
		return none(now, "no incident is under way, so there is nothing to be alerted of")
	}
	var there incident.Confirmed
	var declared time.Time
	if err := p.view(ctx, c.Incident, func(s *incident.State) {
		there, _ = s.Here(incident.Supporting)
		declared = s.DeclaredAt
	}); err != nil {
		return engine.Outcome{}, false, err
	}
	return here(now, "support", cmp.Or(p.Roster.NameOf(there.By), there.By), "said that they are here", there.At, declared, "nobody of support has said that they are here")
}

// here is how it stands that somebody is there.
func here(now time.Time, what, who, by string, at, declared time.Time, missing string) (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{what: who}, Measured: incident.Measured{AsOf: now}}
	if who == "" {
		o.Summary, o.Measured.Verdict, o.Evidence[what] = missing, incident.Fail, "not heard of"
		return o, false, nil
	}
	o.Evidence["at"] = at.UTC().Format(time.RFC3339)
	after := ""
	if at.After(declared) {
		after = " " + text.Duration(at.Sub(declared)) + " after the declaration"
	}
	o.Summary, o.Measured.Verdict = fmt.Sprintf("%s %s%s, %s", who, by, after, days(now.Sub(at))), incident.Pass
	return o, true, nil
}

func names(people []incident.Person) string {
	out := make([]string, len(people))
	for i, p := range people {
		out[i] = p.Name
	}
	return text.List(out, "or")
}

func checkURL(c runbook.Checks, address string) {
	if u, err := url.Parse(address); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		c.Fault("freeze_url", `"freeze_url" is an https address without a user or a password`)
	}
}
