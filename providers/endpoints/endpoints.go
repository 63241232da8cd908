package endpoints

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Endpoint is something that the bot connects to.
type Endpoint struct {
	// Name for people: Redis, RDS, the cluster.
	Name string
	// Host, with its port where that is said.
	Host string
	// Region in which it lies; empty: in none, or nobody can tell.
	Region string
	// Regional says that it lies in some Region, also where nobody can tell in which.
	Regional bool
}

// At is the endpoint of an address: a URL, or host:port. What is secret in it is left
// out. region is where it lies; empty: its name tells, as far as it does.
func At(name, address, region string) Endpoint {
	host := address
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		host = u.Host
	} else if err == nil && u.Scheme == "unix" {
		host = u.Path
	}
	return Endpoint{Name: name, Host: host, Region: cmp.Or(region, RegionOf(host))}
}

// Record is the endpoint of the record, which lies in some Region.
func Record(address, region string) Endpoint {
	e := At("the record (Redis)", address, region)
	e.Regional = true
	return e
}

var (
	regionIn = regexp.MustCompile(`(?:^|[.-])((?:af|ap|ca|cn|eu|eusc|il|me|mx|sa|us)(?:-(?:de|gov|iso[a-z]?))?-(?:(?:north|south)?(?:east|west)|north|south|central)-[0-9])[a-z]?(?:[.-]|$)`)
	cacheIn  = regexp.MustCompile(`\.([a-z]{2})([nsewc]{1,2})([0-9])\.cache\.amazonaws\.com$`)
	towards  = map[string]string{
		"n": "north", "s": "south", "e": "east", "w": "west", "c": "central",
		"ne": "northeast", "se": "southeast", "nw": "northwest", "sw": "southwest",
	}
)

// RegionOf is the AWS Region that the name of a host tells; empty where it tells none.
func RegionOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.ToLower(host)
	if m := cacheIn.FindStringSubmatch(host); m != nil && towards[m[2]] != "" {
		return m[1] + "-" + towards[m[2]] + "-" + m[3]
	}
	if m := regionIn.FindStringSubmatch(host); m != nil {
		return m[1]
	}
	return ""
}

// needed is an endpoint that a plan needs.
type needed struct {
	Endpoint
	// steps are the titles of those that an unplanned run would wait for.
	steps []string
	// own: it is the program's, which needs it whatever is carried out.
	own bool
}

// Needed lists every endpoint that the bot needs for the plan with its Region. It fails
// where an unplanned run towards the same Region would wait for one in the Region that
// is left: for the record if that lies there, or for what a step asks that is no
// advice. It asks nobody.
func (n Needs) Needed(_ context.Context, c engine.Call) (engine.Outcome, bool, error) {
	all, err := n.all(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	left := c.Plan.Source.Name
	o := engine.Outcome{Evidence: map[string]string{}}
	in := map[string]int{}
	var waits, untold []string
	for _, e := range all {
		in[e.Region]++
		where := cmp.Or(e.Region, "no Region")
		if e.Regional && e.Region == "" {
			where = "Region unknown"
			untold = append(untold, fmt.Sprintf("%s (%s)", e.Name, e.Host))
		}
		o.Evidence[e.Name] = fmt.Sprintf("%s (%s)", cmp.Or(e.Host, "in this process"), where)
		switch {
		case e.Region != left || left == "":
		case e.own:
			waits = append(waits, fmt.Sprintf("%s (%s)", e.Name, e.Host))
		case len(e.steps) > 0:
			waits = append(waits, fmt.Sprintf("%s (%s) in %s", e.Name, e.Host, text.List(quoted(e.steps), "and")))
		}
	}
	none := 0.0
	o.Measured = incident.Measured{Verdict: incident.Pass, Figures: []incident.Figure{
		{Name: "endpoints", Value: float64(len(all))},
		{Name: "waited for in the Region that is left", Value: float64(len(waits)), Limit: &none},
	}}
	o.Summary = fmt.Sprintf("%s: %d in %s, %d in %s that an unplanned run does not wait for, %d elsewhere",
		text.Count(len(all), "endpoint"), in[c.Plan.Target.Name], c.Plan.Target.Name, in[left], left, len(all)-in[left]-in[c.Plan.Target.Name])
	switch {
	case len(waits) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("an unplanned run would wait in %s, which is left, for %s", left, strings.Join(waits, ", "))
		return o, false, nil
	case len(untold) > 0:
		o.Measured.Verdict = incident.Warn
		o.Summary += fmt.Sprintf("; in which Region it lies is not told by the name of %s (redis.region in the settings says it)", text.List(untold, "and"))
	}
	return o, true, nil
}

func quoted(titles []string) []string {
	out := make([]string, len(titles))
	for i, t := range titles {
		out[i] = "“" + t + "”"
	}
	return out
}

// all are the endpoints, each once, in the order of their names.
func (n Needs) all(p *runbook.Plan) ([]needed, error) {
	by := map[string]*needed{}
	add := func(e Endpoint) *needed {
		if by[e.Name] == nil {
			by[e.Name] = &needed{Endpoint: e}
		}
		return by[e.Name]
	}
	for _, e := range n.Own {
		add(e).own = true
	}
	for _, s := range p.Steps {
		all, own := asks[s.Uses]
		if system, _, _ := strings.Cut(s.Uses, "."); !own {
			all = asks[system]
		}
		for _, a := range all {
			region := a.region(s, p)
			if region == "" {
				continue
			}
			e, err := n.endpoint(a.api, region)
			if err != nil {
				return nil, err
			}
			if at := add(e); waitsFor(s, p, region) && !a.briefly && !slices.Contains(at.steps, s.Title) {
				at.steps = append(at.steps, s.Title)
			}
		}
	}
	names, err := n.Names(p)
	if err != nil {
		return nil, err
	}
	for _, e := range names {
		add(e)
	}
	out := make([]needed, 0, len(by))
	for _, e := range by {
		out = append(out, *e)
	}
	slices.SortFunc(out, func(a, b needed) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// waitsFor says whether an unplanned run of that plan waits for what a step asks there.
// What a planned run asks of the Region that it leaves it needs; an unplanned one has
// other steps.
func waitsFor(s runbook.Step, p *runbook.Plan, region string) bool {
	if p.Mode != "unplanned" && region == p.Source.Name {
		return false
	}
	return s.Gate == runbook.Required && s.Kind.Ends() && s.Kind != runbook.Tell
}
