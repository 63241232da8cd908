package evidence

import (
	"fmt"
	"slices"
	"strings"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// Verdict is how far a bullet of the control is proven.
type Verdict string

// The verdicts.
const (
	Proven    Verdict = "proven"
	InPart    Verdict = "in part"
	NotTested Verdict = "not tested"
)

// Bullet is one bullet of the failback control, and what proves it.
type Bullet struct {
	// ID is its part and number within it: pre.1, test.8, run.3, back.6.
	ID string `json:"id"`
	// Part of the control, and the way that it describes: by the console, or on the
	// command line.
	Part string `json:"part"`
	Way  string `json:"way,omitempty"`
	// Command that the control names, as far as it says which one it is.
	Command string `json:"command,omitempty"`
	Asks    string `json:"asks"`
	// Note says what that command really is; empty where it is as the control has it.
	Note string `json:"note,omitempty"`
	// Verdict, with what it rests on in a sentence, and the events.
	Verdict Verdict  `json:"verdict"`
	Says    string   `json:"says"`
	Records []Record `json:"records"`
}

// The parts of the control, and its ways.
const (
	prerequisites  = "Prerequisites"
	testPlan       = "Test plan"
	implementation = "Implementation plan"
	backout        = "Backout plan"

	console     = "console"
	commandLine = "command line"
)

// control is the failback control in words of our own: a bullet each, in its order.
var control = []struct {
	part, way, command, asks string
	answer                   func(book) answer
}{
	{prerequisites, "", "", "A failback plan with its steps, and who does what", book.plan},
	{prerequisites, "", "", "Failback tested outside production", book.tested},
	{prerequisites, "", "", "Backups of what is critical, in both Regions", book.backups},
	{prerequisites, "", "", "The people that are needed, with the access that they need", book.people},
	{prerequisites, "", "", "Ways to tell those concerned while it goes on", book.channels},

	{testPlan, console, "", "Sign in", book.access},
	{testPlan, console, "", "Open the service that moves the platform", book.engine},
	{testPlan, console, "", "Read the plan: is failback defined?", book.plan},
	{testPlan, console, "", "Is failback possible within RPO and RTO?", book.feasible},
	{testPlan, console, "", "Try it outside production", book.tested},
	{testPlan, console, "", "Follow it: everything is restored at home, nothing conflicts, nothing is missing", book.followed},
	{testPlan, console, "", "Check network, security and data afterwards", book.verified},
	{testPlan, commandLine, "aws drs describe-recovery-points", "List what could be recovered from", book.recoveryPoints},
	{testPlan, commandLine, "aws drs start-failback", "Start it", book.started},
	{testPlan, commandLine, "aws drs describe-job", "Follow the job", book.followed},
	{testPlan, commandLine, "aws ec2 describe-instances", "Are systems and services healthy?", book.healthy},
	{testPlan, commandLine, "", "Do services work, and is the data as it should be?", book.working},

	{implementation, console, "", "Sign in", book.access},
	{implementation, console, "", "Open the service that moves the platform", book.engine},
	{implementation, console, "", "What stood in replicates towards home", book.replicating},
	{implementation, console, "", "Choose what is moved back", book.scope},
	{implementation, console, "", "Start it; everything has its original configuration afterwards", book.original},
	{implementation, console, "", "Watch for errors and conflicts", book.followed},
	{implementation, console, "", "Home works: services and data", book.working},
	{implementation, commandLine, "aws drs start-failback", "Start it", book.started},
	{implementation, commandLine, "aws drs describe-job", "Follow the job", book.followed},
	{implementation, commandLine, "aws ec2 describe-instances", "Are systems at home healthy?", book.healthy},
	{implementation, commandLine, "", "Applications run, and everything is in its original state", book.original},

	{backout, console, "", "Stop it, and see what it has done", book.stopped},
	{backout, console, "", "What stood in works again", book.restored},
	{backout, console, "", "Read logs and events for what failed", book.diagnosed},
	{backout, console, "", "Take the changes back", book.restored},
	{backout, console, "", "Tell those concerned, and update the strategy", book.strategy},
	{backout, commandLine, "aws drs stop-failback", "Stop the job", book.stopped},
	{backout, commandLine, "aws drs restore-recovery-point", "Back to the state before it", book.restored},
	{backout, commandLine, "", "Run it again, once what was wrong is mended", book.again},
}

// really is what the commands are that the control names otherwise than AWS does.
// Source: https://docs.aws.amazon.com/drs/latest/APIReference/API_Operations.html
var really = map[string]string{
	"aws drs describe-recovery-points": "There is no such command: points in time of a server are listed by aws drs describe-recovery-snapshots.",
	"aws drs start-failback":           "There is no such command: servers of EC2 go back by aws drs reverse-replication and, in the Region that they came from, aws drs start-recovery; others by aws drs start-failback-launch.",
	"aws drs describe-job":             "It is aws drs describe-jobs; a job that is COMPLETED may have servers that failed.",
	"aws drs stop-failback":            "It takes a recovery instance, not a source server.",
	"aws drs restore-recovery-point":   "There is no such command: what stood in is kept until home has proven itself.",
}

// answer is what proves a bullet, or why nothing does.
type answer struct {
	verdict Verdict
	says    string
	records []Record
}

// answers answers every bullet from runs, the newest first.
func answers(runs []*run) []Bullet {
	short := map[string]string{prerequisites: "pre", testPlan: "test", implementation: "run", backout: "back"}
	number := map[string]int{}
	out := make([]Bullet, len(control))
	for i, c := range control {
		number[c.part]++
		a := c.answer(runs)
		if a.records == nil {
			a.records = []Record{}
		}
		out[i] = Bullet{
			ID: fmt.Sprintf("%s.%d", short[c.part], number[c.part]), Part: c.part, Way: c.way, Command: c.command, Asks: c.asks, Note: really[c.command],
			Verdict: a.verdict, Says: a.says, Records: a.records,
		}
	}
	return out
}

// book are the runs that bullets are answered from, the newest first.
type book []*run

// newest is the newest run for which that holds; nil if there is none.
func (b book) newest(holds func(*run) bool) *run {
	if i := slices.IndexFunc(b, holds); i >= 0 {
		return b[i]
	}
	return nil
}

func failback(r *run) bool         { return r.Kind == incident.Failback && r.Where != DryRun }
func completeFailback(r *run) bool { return failback(r) && r.complete }

const (
	noFailback = "No failback was carried out in this time."
	notToEnd   = "No failback came to its end in this time."
)

// named is a run as the report names it.
func (r *run) named() string {
	return fmt.Sprintf("%s of %s (%s)", r.Run.Run, r.Incident.Name(), r.Where)
}

// cited are those that are events.
func cited(records ...Record) []Record {
	return slices.DeleteFunc(records, func(r Record) bool { return r.Seq == 0 })
}

// by answers from the steps of the newest complete failback that picks; of one that is not
// complete where there is no other.
func (b book) by(about string, picks func(fact) bool) answer {
	r := b.newest(completeFailback)
	if r == nil {
		r = b.newest(failback)
	}
	if r == nil {
		return answer{NotTested, noFailback, nil}
	}
	var passed int
	var not, apart []string
	var records []Record
	for _, f := range r.steps {
		if !picks(f) {
			continue
		}
		if f.record.Seq > 0 {
			records = append(records, f.record)
		}
		switch {
		case f.verdict == incident.NotApplicable:
			apart = append(apart, f.ID)
		case f.passed:
			passed++
		default:
			not = append(not, f.ID)
		}
	}
	says := fmt.Sprintf("%s in %s: %s passed", about, r.named(), text.Count(passed, "step"))
	if len(not) > 0 {
		says += fmt.Sprintf(", %d did not: %s", len(not), text.Some(not, 6))
	}
	if len(apart) > 0 {
		says += fmt.Sprintf("; by the settings it does not apply: %s", text.Some(apart, 6))
	}
	switch {
	case passed == 0 && len(not) == 0:
		return answer{NotTested, says + ".", records}
	case len(not) > 0:
		return answer{InPart, says + ".", records}
	}
	return answer{Proven, says + ".", records}
}

// of picks steps by what they prove, or by what of the source document they carry out.
func of(traits []incident.Trait, sources ...string) func(fact) bool {
	return func(f fact) bool {
		for _, t := range traits {
			if slices.Contains(f.Proves, t) {
				return true
			}
		}
		return slices.Contains(sources, f.Source)
	}
}

func (b book) plan() answer {
	r := b.newest(failback)
	if r == nil {
		return answer{NotTested, noFailback + " The plan of one can be read all the same: failoverbot runbook show --failback.", nil}
	}
	var roles []string
	for _, role := range r.Roles {
		roles = append(roles, role.Who+" "+role.Role)
	}
	return answer{
		Proven, fmt.Sprintf("The plan of %s was frozen when it began: %s, digest %s. %s.", r.named(), text.Count(len(r.Steps), "step"), r.Plan, strings.Join(roles, ", ")),
		cited(r.began, r.goGiven),
	}
}

func (b book) tested() answer {
	outside := func(r *run) bool { return r.Where != Production }
	if r := b.newest(func(r *run) bool { return completeFailback(r) && outside(r) }); r != nil {
		return answer{Proven, fmt.Sprintf("%s came to its end on %s.", r.named(), r.Ended.UTC().Format("2006-01-02")), cited(r.began, r.ended)}
	}
	if r := b.newest(func(r *run) bool { return failback(r) && outside(r) }); r != nil {
		return answer{InPart, fmt.Sprintf("%s did not come to its end: %s.", r.named(), r.Outcome), cited(r.began, r.aborted)}
	}
	return answer{NotTested, "No failback was carried out outside production in this time.", nil}
}

// backups wants, for each Region, that the newest look at a backup of it went well.
func (b book) backups() answer {
	seen := map[string]fact{}
	regions := map[string]bool{}
	for _, r := range b {
		for _, name := range r.regions {
			regions[name] = true
		}
		for _, f := range r.steps {
			if _, ok := seen[r.Source]; !ok && f.record.Seq > 0 && slices.Contains(f.Proves, incident.BackupSeen) {
				seen[r.Source] = f
			}
		}
	}
	if len(seen) == 0 {
		return answer{NotTested, "No run looked at a backup in this time.", nil}
	}
	var records []Record
	var not []string
	for _, name := range sorted(regions) {
		f, ok := seen[name]
		switch {
		case !ok:
			not = append(not, name+": no run looked")
		case f.verdict == incident.NotApplicable:
			not = append(not, name+": does not apply, by the settings")
		case !f.passed:
			not = append(not, name+": "+words(f.verdict))
		}
		if ok {
			records = append(records, f.record)
		}
	}
	if len(not) > 0 {
		return answer{InPart, "Not of every Region. " + strings.Join(not, "; ") + ".", records}
	}
	return answer{Proven, "The newest look at a backup of each Region, from the other one, went well.", records}
}

func sorted(set map[string]bool) []string {
	var out []string
	for name := range set {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// people is proven where all of it was asked: what the settings leave out is not.
func (b book) people() answer {
	team := of(nil, "1, team readiness")
	a := b.by("Who was there, and could open both consoles", team)
	if r := b.newest(completeFailback); r != nil && a.verdict == Proven && slices.ContainsFunc(r.steps, func(f fact) bool { return team(f) && f.verdict == incident.NotApplicable }) {
		a.verdict = InPart
	}
	return a
}

func (b book) channels() answer {
	r := b.newest(failback)
	switch {
	case r == nil:
		return answer{NotTested, noFailback, nil}
	case len(r.Channels) == 0:
		return answer{NotTested, fmt.Sprintf("%s tells of no way by which anybody was told.", r.named()), nil}
	}
	return answer{Proven, fmt.Sprintf("%s: %s.", r.named(), strings.Join(r.Channels, "; ")), cited(r.began, r.goGiven)}
}

func (b book) access() answer {
	a := b.people()
	a.says = "Nobody signs in to carry it out: the bot calls the same APIs by a role of its own. That the people on call can was asked. " + a.says
	return a
}

func (b book) engine() answer {
	r := b.newest(failback)
	if r == nil {
		return answer{NotTested, noFailback, nil}
	}
	return answer{Proven, fmt.Sprintf("It is failoverbot: %s was begun there, and is on its record.", r.named()), cited(r.began)}
}

// feasible is what was known before Go, and what was achieved.
func (b book) feasible() answer {
	a := b.by("Whether the data of home follows, and how far behind it is, was asked before Go", of(nil, "1, data readiness"))
	if r := b.newest(completeFailback); r != nil && r.RTO != nil {
		a.says += fmt.Sprintf(" Achieved: users were without service for %s, objective %s.", or(r.RTO.Achieved, "a time that is not known"), or(r.RTO.Objective, "not set"))
		if r.RTO.Met != nil && !*r.RTO.Met || r.RTO.Met == nil {
			a.verdict = InPart
		}
	}
	return a
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (b book) recoveryPoints() answer {
	return b.by("What there was to recover from", of([]incident.Trait{incident.BackupSeen}, "1, data readiness"))
}

func (b book) started() answer {
	r := b.newest(func(r *run) bool { return failback(r) && r.goGiven.Seq > 0 })
	if r == nil {
		return answer{NotTested, "Nobody said Go to a failback in this time.", nil}
	}
	return answer{Proven, fmt.Sprintf("%s was begun by a person's Go at %s.", r.named(), text.ToSecond.UTC(r.Go)), cited(r.goGiven)}
}

// followed are the waits of a failback: each followed something to its end.
func (b book) followed() answer {
	a := b.by("What was waited for", func(f fact) bool { return f.Kind == runbook.Wait && f.record.Seq > 0 })
	r := b.newest(completeFailback)
	if r == nil {
		return a
	}
	if n := len(r.Deviations); n > 0 {
		a.says += fmt.Sprintf(" %s is told with that run.", text.Count(n, "deviation"))
	} else {
		a.says += " Nothing departed from the plan."
	}
	return a
}

func (b book) verified() answer {
	return b.by("Network, security and data", of(nil, "1, networking readiness", "1, data readiness", "7, data integrity", "7, health checks"))
}

func (b book) healthy() answer {
	return b.by("Health of what serves", of([]incident.Trait{incident.TargetsHealthy}, "7, health checks"))
}

func (b book) working() answer {
	return b.by("What users get, and the data", of([]incident.Trait{incident.AsUsers, incident.OrdersFlow, incident.DatabaseWrites}, "7, data integrity"))
}

func (b book) replicating() answer {
	return b.by("Database, cache and objects follow at home", of(nil, "1, data readiness"))
}

func (b book) scope() answer {
	r := b.newest(failback)
	if r == nil {
		return answer{NotTested, noFailback, nil}
	}
	return answer{Proven, fmt.Sprintf("%s moved %s from %s to %s.", r.named(), strings.Join(r.Services, ", "), r.Source, r.Target), cited(r.began)}
}

func (b book) original() answer {
	return b.by("What stood in is a standby again", of([]incident.Trait{incident.StandbyAgain}, "8, rollback steps"))
}

// stopped is a failback that was stopped; that another run was is less.
func (b book) stopped() answer {
	return b.ofFailback("stopped", func(r *run) bool { return r.aborted.Seq > 0 }, func(r *run) []Record { return cited(r.aborted) })
}

// restored is a failback whose changes were taken back.
func (b book) restored() answer {
	taken := func(r *run) bool { return r.Outcome == "taken back" }
	return b.ofFailback("taken back", taken, func(r *run) []Record {
		undo := b.newest(func(u *run) bool {
			return u.Kind == incident.Undo && u.Incident == r.Incident && u.follows == r.Run.Run
		})
		if undo == nil {
			return cited(r.aborted)
		}
		return cited(r.aborted, undo.began, undo.ended)
	})
}

// ofFailback answers with the newest failback that it happened to; in part with another run.
func (b book) ofFailback(what string, holds func(*run) bool, records func(*run) []Record) answer {
	if r := b.newest(func(r *run) bool { return failback(r) && holds(r) }); r != nil {
		return answer{Proven, fmt.Sprintf("%s was %s.", r.named(), what), records(r)}
	}
	if r := b.newest(func(r *run) bool { return r.Where != DryRun && r.Kind != incident.Undo && holds(r) }); r != nil {
		return answer{InPart, fmt.Sprintf("No failback was %s in this time; %s was, in the same way.", what, r.named()), records(r)}
	}
	return answer{NotTested, fmt.Sprintf("No run was %s in this time.", what), nil}
}

// diagnosed are the failures of a failback with what was quoted of them.
func (b book) diagnosed() answer {
	failures := func(r *run) (out []Record) {
		for _, f := range r.steps {
			out = append(out, f.failed...)
		}
		return out
	}
	return b.ofFailback("troubled by steps that failed, each with its cause on the record", func(r *run) bool { return len(failures(r)) > 0 }, failures)
}

func (b book) strategy() answer {
	r := b.newest(func(r *run) bool { return failback(r) && r.aborted.Seq > 0 })
	switch {
	case r == nil:
		return answer{NotTested, "No failback failed in this time.", nil}
	case r.strategy.Seq == 0:
		return answer{NotTested, fmt.Sprintf("After %s nobody has said yet what of the strategy was changed: close the point with /failover close-point %s REASON.", r.named(), view.StrategyPoint), cited(r.aborted)}
	}
	return answer{Proven, fmt.Sprintf("After %s it was said what was changed.", r.named()), cited(r.aborted, r.strategy)}
}

// again is a failback that was begun after one that had been stopped.
func (b book) again() answer {
	for i, r := range b {
		if !failback(r) {
			continue
		}
		for _, before := range b[i+1:] {
			if failback(before) && before.aborted.Seq > 0 {
				return answer{Proven, fmt.Sprintf("%s was begun after %s had been stopped, and is %s.", r.named(), before.named(), r.Outcome), cited(before.aborted, r.began, r.ended)}
			}
		}
	}
	return answer{NotTested, "No failback was begun again after one that had been stopped in this time.", nil}
}
