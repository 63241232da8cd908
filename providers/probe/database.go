package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
)

// DatabaseInput is the input of Database: what the database is called.
type DatabaseInput struct {
	// Cluster is that of the target, Source that of the Region that is left, Global the
	// global database, whose endpoint leads to its writer.
	Cluster string `yaml:"cluster" json:"cluster"`
	Source  string `yaml:"source" json:"source"`
	Global  string `yaml:"global,omitempty" json:"global,omitempty"`
}

// The shapes of a page on the database that are understood: each is looked for at the top
// of the answer, then in one of these parts of it. Capitals do not matter.
var (
	dbParts  = []string{"", "database", "db", "data", "details"}
	dbHosts  = []string{"host", "endpoint", "server", "cluster"}
	dbStates = map[string]bool{
		"connected": true, "ok": true, "up": true, "healthy": true, "pass": true,
		"disconnected": false, "error": false, "down": false, "unhealthy": false, "fail": false, "unavailable": false,
	}
	dbModes = map[string]bool{
		"read-write": true, "readwrite": true, "rw": true, "writable": true,
		"read-only": false, "readonly": false, "ro": false,
	}
)

// dbShape says in words what a page has to be.
const dbShape = `it has to be JSON with "connected" or "status", with "writable", "read_only" or "mode", and better with "host", at the top or in one of ` + `"database", "db", "data", "details"`

// dbPage is what a page says of the database; nil: it does not say.
type dbPage struct {
	connected, writable *bool
	host, region        string
}

// Database waits until the target's own page says that it is connected to a database that
// is writable, and to which: the target's, or the writer of the global one.
func (p *Probe) Database(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	var in DatabaseInput
	if err := c.With(&in); err != nil {
		return engine.Outcome{}, false, err
	}
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	target := c.Plan.Target
	o := engine.Outcome{Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: p.clock.Now()}}
	if t.DatabasePage == "" {
		o.Summary = "not applicable: the settings name no page that says whether the database is writable (platform.probe.database_page)"
		return o, true, nil
	}
	o.Evidence, o.Measured.Verdict = map[string]string{"page": t.DatabasePage}, incident.Fail
	no := func(format string, args ...any) (engine.Outcome, bool, error) {
		o.Summary = fmt.Sprintf("%s in %s ", t.DatabasePage, target.Name) + fmt.Sprintf(format, args...)
		return o, false, nil
	}
	back, err := p.direct(ctx, t, target, get(t.DatabasePage))
	o.Measured.AsOf = p.clock.Now()
	switch {
	case hopeless(err):
		return o, false, err
	case err != nil:
		return no("does not answer: %s", oneLine(err))
	}
	o.Evidence["answer"] = back.told()
	switch {
	case back.region != target.Name:
		return no("is answered by %s", orUnknown(back.region))
	case back.status != http.StatusOK:
		return no("answers status %d%s", back.status, reason(back.body))
	}
	page, err := databaseOf(back.body)
	if err != nil {
		return o, false, &incident.CallError{
			NeedsPerson: true, Err: fmt.Errorf("whether the database of %s is writable is unknown: %s: %w", target.Name, t.DatabasePage, err), Hint: dbShape,
		}
	}
	if page.host != "" {
		o.Evidence["database"] = page.host
	}
	switch {
	case !*page.connected:
		return no("says that it is not connected to the database")
	case !*page.writable:
		return no("says that the database cannot be written")
	case page.region != "" && page.region != target.Name:
		return no("says that it writes in %s", page.region)
	}
	which, doubt := in.judge(page.host)
	if doubt == incident.Fail {
		return no("says that it is connected to %s, which is %s", page.host, which)
	}
	o.Measured.Verdict = doubt
	o.Summary = fmt.Sprintf("%s in %s says that it is connected to a writable database: %s", t.DatabasePage, target.Name, which)
	return o, true, nil
}

// judge says which database a host is, and whether it is the right one. An alias or an
// address may be it, and a page that does not tell may mean it: that deserves a second look.
func (in DatabaseInput) judge(host string) (string, incident.Verdict) {
	name, rest, _ := strings.Cut(strings.ToLower(host), ".")
	if _, err := netip.ParseAddr(host); err == nil {
		name = ""
	}
	switch {
	case host == "":
		return "which, it does not say", incident.Warn
	case strings.HasPrefix(rest, "cluster-ro-"):
		return "an endpoint for reading", incident.Fail
	case name == strings.ToLower(in.Source):
		return "that of the Region that is left", incident.Fail
	case name == strings.ToLower(in.Cluster), name == strings.ToLower(in.Global) && name != "":
		return host, incident.Pass
	}
	return fmt.Sprintf("%s, which is none of the names that are known (%s, %s)", host, in.Cluster, in.Global), incident.Warn
}

// databaseOf reads a page on the database. Its error says what it lacks.
func databaseOf(body []byte) (dbPage, error) {
	var whole map[string]any
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\ufeff")), &whole); err != nil {
		return dbPage{}, fmt.Errorf("it is no JSON object: %w", err)
	}
	parts := make([]map[string]any, 0, len(dbParts))
	for _, part := range dbParts {
		in := whole
		if part != "" {
			in, _ = named(whole, part).(map[string]any)
		}
		parts = append(parts, in)
	}
	flag := func(name string) *bool {
		for _, in := range parts {
			if v, is := named(in, name).(bool); is {
				return &v
			}
		}
		return nil
	}
	word := func(names ...string) string {
		for _, in := range parts {
			for _, name := range names {
				if v, is := named(in, name).(string); is && v != "" {
					return v
				}
			}
		}
		return ""
	}
	meaning := func(of map[string]bool, w string) *bool {
		if v, is := of[strings.ReplaceAll(strings.ToLower(w), "_", "-")]; is {
			return &v
		}
		return nil
	}
	page := dbPage{host: word(dbHosts...), region: word("region")}
	page.connected = either(flag("connected"), meaning(dbStates, word("status", "state")))
	page.writable = either(flag("writable"), not(flag("read_only")), not(flag("readonly")), meaning(dbModes, word("mode")))
	var lacks []string
	if page.connected == nil {
		lacks = append(lacks, "whether it is connected")
	}
	if page.writable == nil {
		lacks = append(lacks, "whether the database can be written")
	}
	if len(lacks) > 0 {
		return page, errors.New("it does not say " + strings.Join(lacks, " or "))
	}
	return page, nil
}

// either is the first that is known.
func either(all ...*bool) *bool {
	if i := slices.IndexFunc(all, func(b *bool) bool { return b != nil }); i >= 0 {
		return all[i]
	}
	return nil
}

func not(b *bool) *bool {
	if b == nil {
		return nil
	}
	v := !*b
	return &v
}
