package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
)

// The modes of a failover.
const (
	planned   = "planned"
	unplanned = "unplanned"
)

// anyway is what has to be said to start towards a Region that took over before
// while nobody can tell which one serves now.
const anyway = "anyway"

// servesWithin is how long a start looks for which Region serves, formWithin how
// long before a form is opened, which has to be within seconds of the click; then
// the look is repeated when the form comes back.
const (
	servesWithin = 2 * time.Second
	formWithin   = time.Second
)

// request is what somebody said about the failover they want. Zero values were not
// said.
type request struct {
	target   string
	mode     string
	severity string
	reason   string
	began    time.Time
	// anyway: begin although the record says that the target took over and nobody
	// can tell which Region serves.
	anyway bool
}

// start begins a failover: it asks for what is missing, refuses what cannot be,
// and puts the incident and its frozen plan on the record in one piece.
func (c *Commands) start(ctx context.Context, ask Ask, who Person) Answer {
	w, errs, err := c.requested(ask)
	if err != nil {
		return *c.answerTo(err, false)
	}
	if len(errs) > 0 {
		return Answer{Refused: true, Errors: errs}
	}
	if a := c.nothingOpen(ctx); a != nil {
		return *a
	}
	if w.missing() && ask.CanForm && ask.Values == nil {
		now := c.towards(ctx, w.target, formWithin)
		if a := c.alreadyActive(ctx, w, now); a != nil {
			return *a
		}
		return Answer{Form: c.startForm(w, now)}
	}
	if w.missing() {
		return *refused("What is missing: %s. Say it in one line: {start %s unplanned elevated 5xx, AWS status confirms}. Planned means that the database moves without loss, and needs the Region that is left to answer.",
			text.List(w.lacks(), "and"), nonempty(w.target, c.standby("")))
	}
	now := c.towards(ctx, w.target, servesWithin)
	if a := c.alreadyActive(ctx, w, now); a != nil {
		return *a
	}
	if now.not != "" && c.other(w.target) == "" {
		// Of several others one is left; the home Region if that cannot be found out.
		if which := c.serving(ctx, servesWithin); which.err == nil && which.region != w.target {
			now.region = which.region
		}
	}
	return c.declare(ctx, ask, who, w, now)
}

// lacks names what has to be known and is not.
func (w request) lacks() []string {
	var out []string
	if w.target == "" {
		out = append(out, "the Region that takes over")
	}
	if w.mode == "" {
		out = append(out, "planned or unplanned")
	}
	if w.reason == "" {
		out = append(out, "the reason")
	}
	return out
}

func (w request) missing() bool { return len(w.lacks()) > 0 }

// words is the wish as it could have been typed. A form carries it along, so it
// asks only for what is missing.
func (w request) words() string {
	words := []string{w.target, w.mode, w.severity}
	if w.anyway {
		words = append(words, anyway)
	}
	if !w.began.IsZero() {
		words = append(words, "since", w.began.UTC().Format("15:04"))
	}
	words = append(words, w.reason)
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

var severityLike = regexp.MustCompile(`(?i)^sev-?([0-9]+)$`)

// requested reads what was typed and what a form was filled with. The map holds a
// form's faults by field.
func (c *Commands) requested(ask Ask) (request, map[string]text.Text, error) {
	w, err := c.typedRequest(strings.TrimSpace(ask.On + " " + ask.Text))
	if err != nil || ask.Values == nil {
		return w, nil, err
	}
	errs := map[string]text.Text{}
	value := func(field string) string { return strings.TrimSpace(ask.Values[field]) }
	if v := value("target"); v != "" {
		if w.target = c.region(v); w.target == "" {
			errs["target"] = text.Format("Not a Region of this platform. Its Regions are %s.", text.List(c.regions(), "and"))
		}
	}
	if v := strings.ToLower(value("mode")); v != "" {
		if w.mode = v; v != planned && v != unplanned {
			errs["mode"] = text.Format("planned or unplanned.")
		}
	}
	if v := value("severity"); v != "" {
		if w.severity = severity(v); w.severity == "" {
			errs["severity"] = text.Format("SEV-1 to SEV-4.")
		}
	}
	if v := value("reason"); v != "" {
		w.reason = v
	}
	if v := value("began"); v != "" {
		var fault text.Text
		if w.began, fault = began(v, c.Clock.Now()); !fault.Empty() {
			errs["began"] = fault
		}
	}
	for field, given := range map[string]string{"target": w.target, "mode": w.mode, "reason": w.reason} {
		if given == "" && errs[field].Empty() {
			errs[field] = text.Format("This is needed.")
		}
	}
	if len([]rune(w.reason)) > reasonMax {
		errs["reason"] = text.Format("At most %d letters; put the rest in a note.", reasonMax)
	}
	return w, errs, nil
}

// typedRequest reads REGION, the mode and the severity in any order; the first word
// that is none of them begins the reason. The first word of all has to be one of
// them: a Region with a typing error must not become a reason.
func (c *Commands) typedRequest(text string) (request, error) {
	var w request
	for first := true; text != ""; first = false {
		word, rest := cut(text)
		low := strings.ToLower(strings.Trim(word, quotes+","))
		region := c.region(low)
		switch {
		case region != "" && w.target != "" && region != w.target && (w.mode != "" || c.tells(rest)):
			w.reason = text // "us-west-2 us-east-1 does not answer"
			return w, c.shortReason(w)
		case region != "" && w.target != "" && region != w.target:
			return w, refuse("Both %s and %s were named. Name the one that takes over: {start %s}.", w.target, region, w.target)
		case region != "":
			w.target = region
		case low == planned || low == unplanned:
			if w.mode != "" && w.mode != low {
				return w, refuse("It cannot be both planned and unplanned. Unplanned if %s is lost or losing data; planned if it still answers.",
					nonempty(c.other(w.target), "the Region being left"))
			}
			w.mode = low
		case severityLike.MatchString(low):
			if w.severity = severity(low); w.severity == "" {
				return w, refuse("%v is not a severity. They are SEV-1 to SEV-4.", typed(word))
			}
		case low == anyway && !first:
			w.anyway = true
		case low == "since":
			at, after, ok := since(rest, c.Clock.Now())
			if !ok {
				w.reason = text
				return w, c.shortReason(w)
			}
			w.began, rest = at, after
		case first || (w.target == "" && regionLike.MatchString(low)):
			if meant := nearest(low, []string{planned, unplanned}); meant != "" {
				return w, refuse("%v is not a mode. Did you mean {start %s %s}?", typed(word), c.standby(""), meant)
			}
			return w, c.unknownRegion(word, "start")
		default:
			if meant := nearest(low, []string{planned, unplanned}); meant != "" && w.mode == "" {
				return w, refuse("%v is not a mode. Did you mean {start %s %s %s}?", typed(word), nonempty(w.target, c.standby("")), meant, repeated(rest))
			}
			w.reason = text
			return w, c.shortReason(w)
		}
		text = rest
	}
	return w, nil
}

// tells says that what follows a Region goes on like a sentence, and is no mode, no
// severity and no further Region.
func (c *Commands) tells(rest string) bool {
	word, _ := cut(rest)
	word = strings.ToLower(strings.Trim(word, quotes+","))
	return word != "" && c.region(word) == "" && !severityLike.MatchString(word) && nearest(word, []string{planned, unplanned}) == ""
}

func (c *Commands) shortReason(w request) error {
	if len([]rune(w.reason)) > reasonMax {
		return refuse("The reason has %d letters; at most %d fit. Put the rest in a note once the incident is open.", len([]rune(w.reason)), reasonMax)
	}
	return nil
}

func severity(text string) string {
	m := severityLike.FindStringSubmatch(text)
	if m == nil || len(m[1]) != 1 || m[1] < "1" || m[1] > "4" {
		return ""
	}
	return "SEV-" + m[1]
}

// since reads "14:02", "14:02 UTC" or "10m" behind that word.
func since(text string, now time.Time) (at time.Time, rest string, ok bool) {
	word, rest := cut(text)
	at, fault := began(strings.TrimRight(word, ","), now)
	if !fault.Empty() {
		return time.Time{}, text, false
	}
	if zone, after := cut(rest); strings.EqualFold(strings.TrimRight(zone, ","), "utc") {
		rest = after
	}
	return at, rest, true
}

var agoLike = regexp.MustCompile(`(?i)^([0-9]{1,4})\s*(m|min|minutes?|minutes? ago|min ago|m ago)?$`)

// began reads when users began to be hurt: minutes ago, or a time of day. What
// is at fault comes as a sentence for the form; it is empty if nothing is.
func began(said string, now time.Time) (at time.Time, fault text.Text) {
	said = strings.TrimSpace(said)
	if m := agoLike.FindStringSubmatch(said); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 24*60 {
			return time.Time{}, text.Format("That is more than a day ago. %v", beganHint)
		}
		return now.UTC().Add(-time.Duration(n) * time.Minute), text.Text{}
	}
	word, zone := cut(said)
	t, err := time.Parse("15:04", word)
	if err != nil || (zone != "" && !strings.EqualFold(zone, "utc") && !strings.EqualFold(zone, "z")) {
		return time.Time{}, text.Format("%v", beganHint)
	}
	day := now.UTC().Truncate(24 * time.Hour)
	at = day.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute)
	if at.After(now.Add(time.Minute)) {
		at = at.Add(-24 * time.Hour)
		if now.Sub(at) > 12*time.Hour {
			return time.Time{}, text.Format("%s UTC is still to come; it is %v now.", word, text.At(now, text.ToMinute))
		}
	}
	return at, text.Text{}
}

const beganHint text.Literal = "Minutes ago, such as 10, or a time, such as 14:02 UTC."

func nonempty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// other is the only other Region than that, "" if there are more.
func (c *Commands) other(region string) string {
	left := slices.DeleteFunc(c.regions(), func(r string) bool { return r == region })
	if len(left) != 1 {
		return ""
	}
	return left[0]
}

// serving is which Region serves users.
type serving struct {
	region   string
	evidence string
	err      error
	// not is a Region that does not serve; which one does was not asked then.
	not string
}

func (c *Commands) serving(ctx context.Context, within time.Duration) serving {
	ctx, stop := c.bounded(ctx, within, "finding out which Region serves")
	defer stop()
	region, evidence, err := c.Active(ctx)
	if err == nil && c.region(region) == "" {
		err = fmt.Errorf("the answers name %q, which is not a Region of this platform", region)
	}
	if err != nil {
		return serving{err: err}
	}
	return serving{region: c.region(region), evidence: evidence}
}

// towards is what has to be known of who serves before a start towards target: only
// whether it serves already, if that can be asked alone.
func (c *Commands) towards(ctx context.Context, target string, within time.Duration) serving {
	if c.Serves == nil || target == "" {
		return c.serving(ctx, within)
	}
	asked, stop := c.bounded(ctx, within, "finding out whether "+target+" serves")
	yes, evidence, err := c.Serves(asked, target)
	stop()
	now := serving{evidence: evidence, err: err}
	switch {
	case err != nil:
	case yes:
		now.region = target
	default:
		now.not = target
	}
	return now
}

// says is the sentence about it.
func (s serving) says() text.Text {
	switch {
	case s.not != "" && s.evidence != "":
		return text.Format("%s does not serve users now (%s).", s.not, s.evidence)
	case s.not != "":
		return text.Format("%s does not serve users now.", s.not)
	case s.err != nil:
		return text.Format("Which Region serves users now could not be found out: %s.", s.err)
	case s.evidence != "":
		return text.Format("%s serves users now (%s).", s.region, s.evidence)
	}
	return text.Format("%s serves users now.", s.region)
}

// alreadyActive refuses a target that serves already. When that cannot be found
// out the record decides: after a takeover by that Region it takes a word to go on.
func (c *Commands) alreadyActive(ctx context.Context, w request, now serving) *Answer {
	if w.target == "" || now.not != "" || (now.err == nil && w.target != now.region) {
		return nil
	}
	past, err := c.tookOver(ctx, w.target)
	switch {
	case err != nil:
		return c.answerTo(err, false)
	case now.err != nil && (past.at.IsZero() || w.anyway):
		return nil
	case now.err != nil:
		return refused("%s has taken over since %s by %s; which Region serves now cannot be read: %s. If users are not served from %s any more, say so: {start %s %s %s REASON}.",
			w.target, c.at(past.at), past.id.Name(), now.err, w.target, w.target, nonempty(w.mode, unplanned), anyway)
	case past.at.IsZero():
		return refused("%s is the active Region already: %s To leave it: {start %s}.", w.target, now.says(), c.standby(w.target))
	}
	return refused("%s has been the active Region since %s. To go back: {failback %s}", w.target, c.at(past.at), past.source)
}

// takeover is how a former incident made a Region the active one.
type takeover struct {
	id     incident.ID
	source string
	at     time.Time
}

// tookOver finds the last incident that changed where users are served, if it
// was to that Region.
func (c *Commands) tookOver(ctx context.Context, region string) (takeover, error) {
	ids, err := c.Book.Log().Incidents(ctx, 0)
	if err != nil {
		return takeover{}, fmt.Errorf("list former incidents: %w", err)
	}
	for _, id := range slices.Backward(ids) {
		var last takeover
		var target string
		err := c.Book.View(ctx, id, func(s *incident.State) {
			for _, r := range slices.Backward(s.Runs) {
				if served := r.ServedAt(); !served.IsZero() {
					last, target = takeover{s.ID, r.Source, served}, r.Target
					return
				}
			}
		})
		switch {
		case err != nil:
			return takeover{}, err
		case last.at.IsZero():
			continue
		case target == region:
			return last, nil
		}
		return takeover{}, nil
	}
	return takeover{}, nil
}

// nothingOpen refuses while a run is open that may change things.
func (c *Commands) nothingOpen(ctx context.Context) *Answer {
	ids, err := c.Book.Log().Open(ctx)
	if err != nil {
		return c.answerTo(fmt.Errorf("find the current incident: %w", err), false)
	}
	for _, id := range ids {
		var open error
		err = c.Book.View(ctx, id, func(s *incident.State) {
			if s.Changes() && !s.Over() {
				open = c.open(s)
			}
		})
		if err == nil {
			err = open
		}
		if err != nil {
			return c.answerTo(err, false)
		}
	}
	return nil
}

// open names the run that is open.
func (c *Commands) open(s *incident.State) error {
	d := s.Declared
	way := text.Format("One at a time: {status} shows it, {abort} stops it.")
	if !s.MitigatedAt.IsZero() {
		way = text.Format("Its target serves already; {resolve} closes it and lets the next one begin.")
	}
	return refuse("%s is open (%s -> %s, %s): started by %s at %s, commander %s. %s",
		s.ID.Name(), s.Source, s.Target, s.Phase(), named(s.DeclaredBy), c.at(s.DeclaredAt), named(d.Commander), way)
}

func (c *Commands) startForm(w request, now serving) *Form {
	f := &Form{
		Verb: "start", On: w.words(), Title: "Start a failover", Submit: "Start",
		Text: now.says().Add(" Nothing changes before somebody presses Go."),
	}
	if w.target != "" {
		f.Text = text.Format("%v %v", text.Heading("%s takes over.", w.target), f.Text)
	} else {
		field := Field{Name: "target", Label: "Region that takes over"}
		for _, r := range c.regions() {
			if r != now.region {
				field.Choices = append(field.Choices, Choice{r, r})
			}
		}
		if len(field.Choices) == 1 {
			field.Value = field.Choices[0].Value
		}
		f.Fields = append(f.Fields, field)
	}
	if w.mode == "" {
		f.Fields = append(f.Fields, Field{Name: "mode", Label: "Planned or unplanned", Choices: []Choice{
			{unplanned, "Unplanned: the Region is lost; data may be lost"},
			{planned, "Planned: it still answers; nothing is lost"},
		}})
	}
	if w.reason == "" {
		f.Fields = append(f.Fields, Field{Name: "reason", Label: "Reason", Hint: everybodyReads, Lines: true})
	}
	if w.severity == "" {
		field := Field{Name: "severity", Label: "Severity", Value: "SEV-1"}
		for _, s := range []string{"SEV-1", "SEV-2", "SEV-3", "SEV-4"} {
			field.Choices = append(field.Choices, Choice{s, s})
		}
		f.Fields = append(f.Fields, field)
	}
	if w.began.IsZero() {
		f.Fields = append(f.Fields, Field{
			Name: "began", Label: "When it began", Optional: true,
			Hint: text.Format("Minutes ago (10) or a time (14:02 UTC). Empty: now."),
		})
	}
	return f
}

// declare puts the incident on the record.
func (c *Commands) declare(ctx context.Context, ask Ask, who Person, w request, active serving) Answer {
	facts, err := c.facts(w, active)
	if err != nil {
		return *c.answerTo(err, false)
	}
	// Compiled once before an id is taken, so that a runbook at fault leaves
	// nothing behind.
	facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0, ""))
	if _, err := c.Compile(facts); err != nil {
		return *refused("The runbook cannot be carried out like this, so nothing was begun: %s", faults(err))
	}
	former, a := c.makeRoom(ctx, ask)
	if a != nil {
		return *a
	}
	began := w.began
	if began.IsZero() {
		began = c.Clock.Now().UTC()
	}
	var id incident.ID
	for again := true; again; {
		if id, again, a = c.begin(ctx, ask, facts, began, w, active); a != nil {
			return *a
		}
	}
	c.Engine.Adopt(id)
	c.log.Info().Str("incident", string(id)).Str("target", facts.Target.Name).Str("mode", facts.Mode).Msg("incident declared")
	say := text.Format("%s is open: %s -> %s, %s, %s. You are its commander. Readiness is being checked; nothing changes before Go.",
		id.Name(), facts.Source.Name, facts.Target.Name, facts.Mode, facts.Severity)
	if active.err != nil {
		say = say.Add(" %v %s is taken to be the Region that is left.", active.says(), facts.Source.Name)
	}
	if former != "" {
		say = say.Add(" %s, which was stopped, is resolved by you with this.", former.Name())
	}
	return Answer{Text: say}
}

// begin takes an id and puts the incident and its first run on the record in one
// piece. again says that somebody else's incident got the same number first.
func (c *Commands) begin(ctx context.Context, ask Ask, facts runbook.Facts, began time.Time, w request, active serving) (id incident.ID, again bool, a *Answer) {
	id, err := c.Book.Log().Reserve(ctx, c.Clock.Now(), ask.Request)
	if err != nil {
		return "", false, c.answerTo(fmt.Errorf("open an incident: %w", err), false)
	}
	facts.Incident = id.Name()
	plan, err := c.Compile(facts)
	if err != nil {
		return "", false, refused("The runbook cannot be carried out like this, so nothing was begun: %s", faults(err))
	}
	raw, err := json.Marshal(plan)
	if err != nil {
		return "", false, refused("The plan cannot be written down, so nothing was begun: %s.", err)
	}
	tried := false
	_, err = c.Book.Decide(ctx, id, func(s *incident.State) (incident.Write, error) {
		tried = false
		if s.Seq > 0 {
			if s.DeclaredBy == ask.person && s.Target == facts.Target.Name && s.Declared.Reason == facts.Reason {
				return incident.Write{}, nil // the same click once more
			}
			return incident.Write{}, c.open(s)
		}
		tried = true
		bodies := []incident.Body{
			incident.IncidentDeclared{
				Incident: id, Severity: facts.Severity, Reason: facts.Reason, Began: began,
				Commander: ask.person, Rehearsal: c.Rehearsal,
			},
			incident.RunBegun{
				Kind: incident.Failover, Source: facts.Source.Name, Target: facts.Target.Name, Mode: facts.Mode,
				Digest: plan.Digest, Plan: raw,
			},
		}
		if w.anyway && active.err != nil {
			bodies = append(bodies, incident.NoteAdded{Text: fmt.Sprintf("Started anyway, although it cannot be read which Region serves: %s.", text.Bare(active.err))})
		}
		out := c.write(ask, bodies...)
		out.Events[1].Run = s.NextRun(incident.Failover)
		return out, nil
	})
	if errors.Is(err, incident.ErrTaken) {
		return "", true, nil
	}
	return id, false, c.answerTo(err, tried)
}

// facts of the incident that is wished for.
func (c *Commands) facts(w request, active serving) (runbook.Facts, error) {
	source := active.region
	if source == "" || source == w.target {
		source = c.other(w.target)
	}
	if source == "" && c.Topology.Home != w.target {
		source = c.Topology.Home
	}
	if source == "" {
		return runbook.Facts{}, refuse("%s So it is not clear which Region %s would take over from. Try again when it can be found out.", active.says(), w.target)
	}
	region := func(name string) runbook.Region {
		r := c.Topology.Regions[name]
		r.Name = name
		return r
	}
	return runbook.Facts{
		Mode: w.mode, Severity: nonempty(w.severity, "SEV-1"), Reason: w.reason,
		Source: region(source), Target: region(w.target), Topology: c.Topology,
	}, nil
}

// makeRoom resolves what is open although its run is over, and refuses while a run
// is open that may change things. former is what it resolved.
func (c *Commands) makeRoom(ctx context.Context, ask Ask) (former incident.ID, a *Answer) {
	if a := c.nothingOpen(ctx); a != nil {
		return "", a
	}
	ids, err := c.Book.Log().Open(ctx)
	if err != nil {
		return "", c.answerTo(fmt.Errorf("find the current incident: %w", err), false)
	}
	for _, id := range ids {
		resolved, a := c.resolveStopped(ctx, ask, id)
		if a != nil {
			return "", a
		}
		if resolved {
			former = id
		}
	}
	return former, nil
}

// resolveStopped resolves an incident whose run was stopped, in the name of whoever
// begins the next one: its closing steps are carried out once it is resolved, and
// nobody would come back to it.
func (c *Commands) resolveStopped(ctx context.Context, ask Ask, id incident.ID) (resolved bool, a *Answer) {
	a = c.record(ctx, ask, id, func(s *incident.State, _ *runbook.Plan) ([]incident.Body, error) {
		if resolved = s.ResolvedAt.IsZero() && !s.AbortedAt.IsZero(); !resolved {
			return nil, nil
		}
		return resolution(s, "the next incident begins"), nil
	})
	return resolved, a
}

// failback names the way back, which is a procedure of its own.
func (c *Commands) failback(ctx context.Context, ask Ask, _ Person) Answer {
	word, _ := cut(ask.Text)
	target := c.region(word)
	if word != "" && target == "" {
		return *c.answerTo(c.unknownRegion(word, "failback"), false)
	}
	if target == "" {
		target = c.Topology.Home
	}
	now := c.serving(ctx, 5*time.Second)
	if now.region == target {
		return *refused("%s Nothing has to go back there.", now.says())
	}
	return *refused("The way back to %s is not carried out by this version, so nothing was done. Its order: let %s rejoin as a standby with its replication caught up, stop writes, switch the database and the cache over, move DNS back, remove the takeover object. %s",
		target, target, now.says())
}
