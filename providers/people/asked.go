package people

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// word is what commanders are asked about the platform.
type word struct {
	subject string
	// so and not are how it stands, as a part of a sentence.
	so, not  string
	question string
	yes, no  string
	// limit is how long an answer counts, told in unit, each of which is per.
	limit time.Duration
	unit  string
	per   time.Duration
}

// commanders looks whether a commander has said that it is so, lately: the newest of what
// any of them has said counts.
func (p *People) commanders(ctx context.Context, w word) (engine.Outcome, bool, error) {
	now := p.Clock.Now()
	all := p.Roster.With(incident.RoleCommander)
	var ids []string
	for _, one := range all {
		ids = append(ids, one.ID)
	}
	said, err := p.said(ctx, w.subject, ids...)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var last incident.Confirmed
	for _, id := range ids {
		if s, ok := said[id]; ok && s.At.After(last.At) {
			last = s
		}
	}
	o := engine.Outcome{
		Evidence: map[string]string{"asked": names(all)}, Measured: incident.Measured{AsOf: now, Verdict: incident.Fail},
		Asks: &incident.Wanted{Subject: w.subject, Of: ids, Question: w.question, Yes: w.yes, No: w.no},
	}
	a := aged{last.At, w.limit, now}
	who := p.Roster.NameOf(last.By)
	if last.By != "" {
		o.Evidence["answer of "+last.By] = yes(last.Yes) + ", " + last.At.UTC().Format(time.RFC3339)
		o.Measured.Figures = []incident.Figure{a.figure("age of the answer", w.unit, w.per)}
	}
	switch {
	case last.By == "":
		o.Summary = "no commander has said whether " + w.so
		return o, false, nil
	case a.skewed():
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("how old the word of %s is cannot be told: it is of %s, and it is %s here", who, text.ToDay.UTC(last.At), text.ToDay.UTC(now)),
			Hint: "set the clock of this machine",
		}
	case !last.Yes:
		o.Summary = fmt.Sprintf("%s said %s that %s%s", who, days(now.Sub(last.At)), w.not, because(last.Reason))
		return o, false, nil
	case a.old():
		o.Summary = fmt.Sprintf("%s said %s that %s, and that counts for %d %s", who, days(now.Sub(last.At)), w.so, int(w.limit/w.per), w.unit)
		return o, false, nil
	}
	o.Summary, o.Measured.Verdict, o.Asks = fmt.Sprintf("%s said %s that %s", who, days(now.Sub(last.At)), w.so), incident.Pass, nil
	return o, true, nil
}

// Egress checks that a commander has said within the limit of the settings that partners
// know the addresses from which both Regions send.
func (p *People) Egress(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	set, err := settingsOf(c)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	if set.EgressDays == 0 {
		return none(p.Clock.Now(), "the settings ask nobody whether partners know where requests come from (people.egress_days)")
	}
	return p.commanders(ctx, word{
		subject: incident.Egress, limit: time.Duration(set.EgressDays) * day, unit: "days", per: day,
		so:  "partners know the addresses that " + c.Plan.Target.Name + " sends from as well",
		not: "partners do not know the addresses that " + c.Plan.Target.Name + " sends from",
		question: fmt.Sprintf("Do all partners of %s that let in known addresses alone know those of both Regions, %s and %s?",
			c.Plan.Topology.Platform, c.Plan.Source.Name, c.Plan.Target.Name),
		yes: "They know both", no: "They do not",
	})
}

// Freeze checks that deployments are frozen: by what the page of the settings says, or
// by what a commander said within the limit.
func (p *People) Freeze(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	set, err := settingsOf(c)
	switch {
	case err != nil:
		return engine.Outcome{}, false, err
	case set.FreezeURL != "":
		return p.frozen(ctx, set.FreezeURL)
	case set.FreezeHours == 0:
		return none(p.Clock.Now(), "the settings name nothing and nobody that tells of a deploy freeze (people.freeze_url, people.freeze_hours)")
	}
	return p.commanders(ctx, word{
		subject: incident.Freeze, limit: time.Duration(set.FreezeHours) * time.Hour, unit: "hours", per: time.Hour,
		so: "deployments are frozen", not: "deployments are not frozen",
		question: fmt.Sprintf("Are deployments to %s frozen, so that nothing is rolled out while users are moved?", c.Plan.Topology.Platform),
		yes:      "They are frozen", no: "They are not",
	})
}

// pageMost is how much of the page is read.
const pageMost = 64 << 10

// frozen asks the page.
func (p *People) frozen(ctx context.Context, address string) (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{}, Measured: incident.Measured{AsOf: p.Clock.Now()}}
	host := "the page of people.freeze_url"
	if u, err := url.Parse(address); err == nil {
		host = u.Host // what stands behind it may be a secret
	}
	fault := func(err error, again bool) error {
		return &incident.CallError{
			NeedsPerson: !again, Retry: again, Err: fmt.Errorf("ask %s whether deployments are frozen: %w", host, err),
			Hint: "look at the page of people.freeze_url: it has to answer {\"frozen\": true} or false",
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return o, false, fault(errors.New("the address cannot be read"), false)
	}
	r.Header.Set("Accept", "application/json")
	resp, err := p.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // its text would have the address
		}
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return o, false, fault(err, true)
	}
	defer func() { _ = resp.Body.Close() }() // read as far as it is of use
	body, err := io.ReadAll(io.LimitReader(resp.Body, pageMost))
	switch {
	case err != nil:
		return o, false, fault(err, true)
	case resp.StatusCode != http.StatusOK:
		return o, false, fault(fmt.Errorf("it answered %d", resp.StatusCode), resp.StatusCode >= 500)
	}
	var said struct {
		Frozen *bool  `json:"frozen"`
		Reason string `json:"reason"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Frozen == nil {
		return o, false, fault(errors.New("its answer does not say so"), false)
	}
	o.Evidence["frozen"], o.Evidence["page"] = yes(*said.Frozen), host
	if !*said.Frozen {
		o.Summary, o.Measured.Verdict = "deployments are not frozen, says "+host+because(said.Reason), incident.Fail
		return o, false, nil
	}
	o.Summary, o.Measured.Verdict = "deployments are frozen, says "+host+because(said.Reason), incident.Pass
	return o, true, nil
}
