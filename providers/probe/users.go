package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// Given is what one server gives out for the public name: a resolver by its name, or
// with an empty one the zone's own servers.
type Given struct {
	Server string
	// Region that its addresses belong to; empty if they do not all belong to one, or
	// nobody knows.
	Region string
	Addrs  []netip.Addr
	Err    error
}

// Sent tells what the zone's own servers and the public resolvers give out.
type Sent func(ctx context.Context, p *runbook.Plan) ([]Given, error)

const (
	// each is how many requests a look sends for each server that gives out the name:
	// those who ask it count alike.
	each = 2
	// windowed is how many looks a share is of, settled how many in a row have to be all
	// alike to say "all" or "none" at once.
	windowed, settled = 6, 3
	zoneServers       = "the zone's own servers"
)

// level is what users get, as coarsely as people act on it.
type level string

const (
	servedAll  level = "all"
	servedMost level = "most"
	servedFew  level = "few"
	servedNone level = "none"
)

// look is what one look saw.
type look struct {
	tried, served int
	// fresh are the requests of those who are not sent by a resolver that is stale.
	fresh, freshServed int
	by                 map[string]int
}

// seen is what a watch remembers of its looks. It is lost with the process: then the
// next ones begin anew from what was told last.
type seen struct {
	looks []look
	level level
	moved bool
	// stale counts for each server in how many looks more it counts as stale, arrived
	// are those that gave out the target once users were moved.
	stale   map[string]int
	arrived map[string]bool
	turn    int
}

// Users watches what those get who use the public name. It makes requests as they do,
// to where each public resolver and the zone's own servers send them, and writes
// nothing. Until users are moved a good answer is one of the source, from then on one of
// the target.
type Users struct {
	*Probe
	sent Sent

	mu   sync.Mutex
	seen map[string]*seen
}

// Users returns the watch of users, which finds out by sent where they are sent.
func (p *Probe) Users(sent Sent) *Users {
	return &Users{Probe: p, sent: sent, seen: map[string]*seen{}}
}

// Look is one look.
func (u *Users) Look(ctx context.Context, c engine.Call) (engine.Outcome, bool, error) {
	t, err := siteOf(c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	services := pages(t.Topology)
	if len(services) == 0 {
		return engine.Outcome{}, false, &incident.CallError{NeedsPerson: true, Err: errors.New("no service has a health page to ask for"), Hint: "set health for at least one service"}
	}
	given, err := u.sent(ctx, c.Plan)
	if err != nil {
		return engine.Outcome{}, false, err
	}
	var known []Given
	var faults []error
	for _, g := range given {
		if g.Err != nil {
			faults = append(faults, g.Err)
			continue
		}
		known = append(known, g)
	}
	if len(known) == 0 {
		return engine.Outcome{}, false, &incident.CallError{Retry: true, Err: fmt.Errorf("find out where users of %s are sent: %w", t.Record, errors.Join(faults...))}
	}
	s := u.remembered(c)
	moved := moved(c)
	if moved != s.moved {
		s.looks, s.level, s.moved = nil, "", moved // what was well or not before says nothing now
	}
	l, last := u.ask(ctx, t, c, s, known, services)
	if ctx.Err() != nil {
		return engine.Outcome{}, false, &incident.CallError{Retry: true, Err: fmt.Errorf("ask as users do: %w", context.Cause(ctx))}
	}
	s.looks = append(s.looks, l)
	s.looks = s.looks[max(0, len(s.looks)-windowed):]
	s.level = s.served()
	return s.tell(c, known, last)
}

// remembered is what the watch remembers; after a restart, of what was told last.
func (u *Users) remembered(c engine.Call) *seen {
	key := fmt.Sprintf("%s/%s/%s", c.Incident, c.Step.ID, c.Token)
	u.mu.Lock()
	defer u.mu.Unlock()
	if s := u.seen[key]; s != nil {
		return s
	}
	s := &seen{stale: map[string]int{}, arrived: map[string]bool{}}
	u.seen = map[string]*seen{key: s} // of one run at a time
	if o := c.Observed; o != nil && o.Users != nil && o.Users.Moved {
		s.moved = true
		for name := range strings.SplitSeq(c.Observed.Evidence["arrived"], ", ") {
			s.arrived[name] = name != ""
		}
	}
	return s
}

// moved says that the run has moved users, as a step of it has seen.
func moved(c engine.Call) bool {
	return c.Result != nil && slices.ContainsFunc(c.Plan.Showing(incident.UsersServed), func(s runbook.Step) bool {
		_, done := c.Result(s.ID)
		return done
	})
}

// ask sends the requests of one look, all at once. last is the last thing that was not
// as it should be.
func (u *Users) ask(ctx context.Context, t site, c engine.Call, s *seen, known []Given, services []runbook.Service) (l look, last string) {
	type answer struct {
		reply
		err error
	}
	for _, g := range known {
		s.sight(c, g)
	}
	answers := make([]answer, each*len(known))
	turn := s.turn
	s.turn++
	incident.Together(u.clock, len(answers), func(i int) {
		g := known[i/each]
		if len(g.Addrs) == 0 {
			answers[i].err = fmt.Errorf("%s gives no address", cmp.Or(g.Server, zoneServers))
			return
		}
		n := turn*each + i%each
		page := services[(n+i/each)%len(services)].Health
		answers[i].reply, answers[i].err = u.send(ctx, t, get(page), strings.TrimRight(t.Public, "/")+page, address{host: g.Addrs[n%len(g.Addrs)].String()})
	})
	// A page may be well where nobody can order: before the move the database writes in
	// the source, after it in the target.
	serving := c.Plan.Source.Name
	if s.moved {
		serving = c.Plan.Target.Name
	}
	l.by = map[string]int{}
	for i, a := range answers {
		g := known[i/each]
		fresh := s.stale[g.Server] == 0
		well := false
		switch {
		case a.err != nil:
			last = oneLine(a.err)
		case a.status != http.StatusOK:
			last = a.told()
		case a.region != serving:
			last = fmt.Sprintf("answered by %s, and orders are taken in %s", orUnknown(a.region), serving)
		default:
			well = true
			l.by[orUnknown(a.region)]++
		}
		l.tried++
		if fresh {
			l.fresh++
		}
		if well {
			l.served++
			if fresh {
				l.freshServed++
			}
		}
	}
	return l, last
}

// sight takes into account where one server sends people once users were moved.
func (s *seen) sight(c engine.Call, g Given) {
	switch {
	case !s.moved:
	case g.Region == c.Plan.Source.Name:
		s.stale[g.Server] = 2 // a large resolver is many caches: it has to be well twice
	case s.stale[g.Server] > 0:
		s.stale[g.Server]--
	}
	if s.moved && g.Region == c.Plan.Target.Name && s.stale[g.Server] == 0 {
		s.arrived[g.Server] = true
	}
}

// sums are the looks of the window together.
func (s *seen) sums(looks []look) (all look) {
	all.by = map[string]int{}
	for _, l := range looks {
		all.tried += l.tried
		all.served += l.served
		all.fresh += l.fresh
		all.freshServed += l.freshServed
		for r, n := range l.by {
			all.by[r] += n
		}
	}
	return all
}

// newest is the last look.
func (s *seen) newest() look { return s.looks[len(s.looks)-1] }

// recent are the newest looks, which say "all" or "none" when they agree.
func (s *seen) recent() look { return s.sums(s.looks[max(0, len(s.looks)-settled):]) }

// served is the level that the looks come to. It leaves a band only for good: a share
// that moves about a border is not told each time.
func (s *seen) served() level {
	now, all := s.recent(), s.sums(s.looks)
	share := float64(all.served) / float64(max(1, all.tried))
	enough := len(s.looks) >= settled || s.level == ""
	switch {
	case enough && now.served == now.tried, s.level == servedAll && share >= 0.95:
		return servedAll
	case enough && now.served == 0, s.level == servedNone && share <= 0.05:
		return servedNone
	case s.level == servedMost && share > 0.4:
		return servedMost
	case s.level == servedFew && share < 0.6:
		return servedFew
	case share >= 0.5:
		return servedMost
	}
	return servedFew
}

// tell is what the looks come to, for people and for what is compared.
func (s *seen) tell(c engine.Call, known []Given, last string) (engine.Outcome, bool, error) {
	source, target := c.Plan.Source.Name, c.Plan.Target.Name
	all := s.sums(s.looks)
	sees := &incident.UsersSeen{Moved: s.moved, Tried: all.tried, Served: all.served, By: all.by}
	zone := ""
	for _, g := range known {
		name := cmp.Or(g.Server, zoneServers)
		if g.Server == "" {
			zone = g.Region
		} else {
			sees.Resolvers++
		}
		if s.stale[g.Server] == 0 {
			continue
		}
		if g.Server != "" {
			sees.Stale = append(sees.Stale, name)
		}
		if s.arrived[g.Server] || g.Server == "" {
			sees.Back = append(sees.Back, name)
		}
	}
	o := engine.Outcome{Users: sees, Evidence: map[string]string{}}
	for _, g := range known {
		o.Evidence[cmp.Or(g.Server, zoneServers)] = cmp.Or(g.Region, list(g.Addrs))
	}
	if arrived := slices.Sorted(maps.Keys(s.arrived)); len(arrived) > 0 {
		o.Evidence["arrived"] = strings.Join(arrived, ", ")
	}
	o.State = strings.Join([]string{string(s.level), fmt.Sprint(s.moved), zone, strings.Join(sees.Stale, ","), strings.Join(sees.Back, ",")}, "|")
	requests := fmt.Sprintf("%d of %s through %s", all.served, text.Count(all.tried, "request"), c.Plan.Topology.Record)
	switch now := s.recent(); {
	case len(sees.Back) > 0:
		o.Measured.Verdict = incident.Fail
		o.State = "back|" + strings.Join(sees.Back, ",") // whatever the share: it grows by itself
		o.Summary = fmt.Sprintf("users go back to %s: %s %s it out again; %s got a good answer from %s", source, text.List(sees.Back, "and"), gives(sees.Back), requests, target)
		return o, false, nil
	case s.level == servedAll:
		o.Measured.Verdict = incident.Pass
		o.Summary = fmt.Sprintf("users are served: %s got a good answer from %s", requests, regions(all.by))
	case s.moved && len(sees.Stale) > 0 && now.freshServed == now.fresh && now.fresh > 0:
		o.Measured.Verdict = incident.Warn
		o.Summary = fmt.Sprintf("users who are sent to %s are served; %s still %s out %s", target, text.List(sees.Stale, "and"), gives(sees.Stale), source)
	case s.moved && len(sees.Stale) == 0 && s.newest().served == s.newest().tried && s.newest().tried > 0:
		o.Measured.Verdict = incident.Warn // the last of them has just arrived, and what failed before says nothing now
		sees.Tried, sees.Served, sees.By = s.newest().tried, s.newest().served, s.newest().by
		o.Summary = fmt.Sprintf("users are served: all of the last requests got a good answer from %s, of those before %s", target, requests)
	case s.level == servedNone:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("users are not served: %s got a good answer (last: %s)", requests, last)
	default:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("users are served in part: %s got a good answer from %s%s", requests, regions(all.by), lastly(last))
	}
	return o, o.Measured.Verdict == incident.Pass, nil
}

func lastly(last string) string {
	if last == "" {
		return ""
	}
	return " (last that did not: " + last + ")"
}

func gives(who []string) string {
	if len(who) == 1 && who[0] != zoneServers {
		return "gives"
	}
	return "give"
}

// regions that gave good answers.
func regions(by map[string]int) string {
	if len(by) == 0 {
		return "nobody"
	}
	return text.List(slices.Sorted(maps.Keys(by)), "and")
}

func list(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "no address"
	}
	var out []string
	for _, a := range addrs {
		out = append(out, a.String())
	}
	return strings.Join(out, " ")
}
