package commands

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// The modes of a failover.
const (
	planned   = "planned"
	unplanned = "unplanned"
)

// anyway is what has to be said to start towards a Region that took over before
// while nobody can tell which one serves now, and to do by a typed command alone what
// is otherwise asked back.
const anyway = "anyway"

// detached is what is said of an unplanned failover whose database is to leave the global
// one, because versions keep Aurora from promoting it.
const detached = "detach"

// servesWithin is how long a start looks for which Region serves, formWithin how
// long before a form is opened, which has to be within seconds of the click; then
// the look is repeated when the form comes back.
const (
	servesWithin = 2 * time.Second
	formWithin   = time.Second
)

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
		if a := c.unclear(ctx, w, now); a != nil {
			return *a
		}
		if a := c.alreadyActive(ctx, w, now); a != nil {
			return *a
		}
		if a := c.wrongWay(w, now); a != nil {
			return *a
		}
		return Answer{Form: c.startForm(w, now)}
	}
	if w.missing() {
		return *refused("What is missing: %s. Say it in one line: {start %s unplanned elevated 5xx, AWS status confirms}. Planned means that the database moves without loss, and needs the Region that is left to answer.",
			text.List(w.lacks(), "and"), nonempty(w.target, c.standby("")))
	}
	if w.detach && w.mode == planned {
		return *refused("A detach is for an unplanned failover: in a planned one nothing is lost, and the standby follows again. Nothing was begun.")
	}
	now := c.towards(ctx, w.target, servesWithin)
	if a := c.unclear(ctx, w, now); a != nil {
		return *a
	}
	if a := c.alreadyActive(ctx, w, now); a != nil {
		return *a
	}
	if now.not != "" && c.other(w.target) == "" {
		// Of several others one is left; the home Region if that cannot be found out.
		if which := c.serving(ctx, servesWithin); which.err == nil && which.region != w.target {
			now.region = which.region
		}
	}
	if a := c.wrongWay(w, now); a != nil {
		return *a
	}
	return c.declare(ctx, ask, who, w, now)
}

var severityLike = regexp.MustCompile(`(?i)^sev-?([0-9]+)$`)

// nothingOpen refuses while a run is open that may change things.
func (c *Commands) nothingOpen(ctx context.Context) *Answer {
	ids, err := c.Book.Open(ctx)
	if err != nil {
		return c.answerTo(err, false)
	}
	for _, id := range ids {
		var open error
		err = c.Book.View(ctx, id, func(s *incident.State) {
			switch {
			case s.Diverged != nil:
				open = halted(s)
			case s.Changes() && !s.Over():
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
			Hint: text.Format("Minutes ago (10) or a time (14:02 UTC, 2:02 PM CET). Empty: now."),
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
	began, a := c.beganOf(ctx, w)
	if a != nil {
		return *a
	}
	var id incident.ID
	for again := true; again; {
		if id, again, a = c.begin(ctx, ask, facts, began, w, active); a != nil {
			return *a
		}
	}
	c.Engine.Adopt(id)
	c.takenUp(ctx, ask, id, facts.Target.Name)
	c.log.Info().Str("incident", string(id)).Str("target", facts.Target.Name).Str("mode", facts.Mode).Msg("incident declared")
	what := facts.Mode
	if w.detach {
		what += ", the database detached"
	}
	if w.kind != "" {
		what = string(w.kind)
	}
	say := text.Format("%s is open: %s -> %s, %s, %s. You are its commander. Readiness is being checked; nothing changes before Go.",
		id.Name(), facts.Source.Name, facts.Target.Name, what, facts.Severity)
	if !w.began.IsZero() {
		say = say.Add(" Users are hurt since %v.", c.at(w.began))
	}
	if active.err != nil {
		say = say.Add(" %v %s is taken to be the Region that is left.", active.says(), facts.Source.Name)
	}
	if began.continues != "" {
		say = say.Add(" %s was closed without users being served, so the impact is counted since %s, as there; {impact since 13:58} corrects it.", began.continues.Name(), c.at(began.at))
	}
	if former != "" {
		say = say.Add(" %s, which was stopped, is closed by you with this.", former.Name())
	}
	return Answer{Text: text.Lines(say, unproved(c.Proofs.Missing(ctx, startProves)))}
}

// beginning is since when users have been hurt, as an incident is declared.
type beginning struct {
	at time.Time
	// notSaid: nobody said it, and at is the moment of the declaration.
	notSaid bool
	// continues is the incident before, whose beginning it is: users were not served when
	// that was closed.
	continues incident.ID
}

// beganOf is what was said; or else the beginning of the last incident, if users were
// not served when that was closed; or else nobody knows.
func (c *Commands) beganOf(ctx context.Context, w request) (beginning, *Answer) {
	if !w.began.IsZero() {
		return beginning{at: w.began}, nil
	}
	last, a := c.before(ctx, "")
	if a != nil {
		return beginning{}, a
	}
	now := c.Clock.Now().UTC()
	if last != nil && last.Unserved && !last.Began.IsZero() && now.Sub(last.Began) <= impactAtMost {
		return beginning{at: last.Began.UTC(), continues: last.ID}, nil
	}
	return beginning{at: now, notSaid: true}, nil
}

// begin takes an id and puts the incident and its first run on the record in one
// piece. again says that somebody else's incident got the same number first.
func (c *Commands) begin(ctx context.Context, ask Ask, facts runbook.Facts, began beginning, w request, active serving) (id incident.ID, again bool, a *Answer) {
	id, err := c.Book.Log().Reserve(ctx, c.Clock.Now(), ask.Request)
	if err != nil {
		return "", false, c.answerTo(err, false)
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
				Incident: id, Severity: facts.Severity, Reason: facts.Reason,
				Began: began.at, BeganNotSaid: began.notSaid, Continues: began.continues,
				Commander: ask.person, Rehearsal: c.Rehearsal,
			},
			incident.RunBegun{
				Kind: cmp.Or(w.kind, incident.Failover), Source: facts.Source.Name, Target: facts.Target.Name, Mode: facts.Mode,
				Digest: plan.Digest, Plan: raw,
			},
		}
		switch {
		case w.anyway && disagree(active.signs, w.mode):
			bodies = append(bodies, incident.NoteAdded{Text: "Started anyway, although it is not clear which Region serves: " + eachSays(active.signs).String()})
		case w.anyway && active.err != nil:
			bodies = append(bodies, incident.NoteAdded{Text: fmt.Sprintf("Started anyway, although it cannot be read which Region serves: %s.", text.Bare(active.err))})
		}
		out := c.write(ask, bodies...)
		out.Events[1].Run = s.NextRun(cmp.Or(w.kind, incident.Failover))
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
	severity := "SEV-1"
	if w.kind != "" {
		severity = "SEV-4" // nobody is hurt by what leads to it
	}
	return runbook.Facts{
		Kind: w.kind, Mode: w.mode, Severity: nonempty(w.severity, severity), Reason: w.reason,
		Source: region(source), Target: region(w.target), Topology: c.Topology, Backup: w.backup, Detach: w.detach,
	}, nil
}

// makeRoom resolves what is open although its run is over, and refuses while a run
// is open that may change things. former is what it resolved.
func (c *Commands) makeRoom(ctx context.Context, ask Ask) (former incident.ID, a *Answer) {
	if a := c.nothingOpen(ctx); a != nil {
		return "", a
	}
	ids, err := c.Book.Open(ctx)
	if err != nil {
		return "", c.answerTo(err, false)
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
	a = c.record(ctx, ask, id, func(s *incident.State, p *runbook.Plan) ([]incident.Body, error) {
		if resolved = s.ResolvedAt.IsZero() && s.Over(); !resolved {
			return nil, nil
		}
		served, _ := view.New(s, p, c.Roster, c.Clock.Now()).Served()
		return resolution(s, "the next incident begins", !served), nil
	})
	return resolved, a
}

// failback begins the way back to the home Region: a planned run that lets users go there
// again and leaves the Region that stood in as a standby. Which way is which is worked out
// from the world.
func (c *Commands) failback(ctx context.Context, ask Ask, who Person) Answer {
	w, errs, err := c.requestedBack(ask)
	if err != nil {
		return *c.answerTo(err, false)
	}
	if len(errs) > 0 {
		return Answer{Refused: true, Errors: errs}
	}
	if a := c.nothingOpen(ctx); a != nil {
		return *a
	}
	now := c.serving(ctx, servesWithin)
	if c.Signs != nil {
		now.signs = c.towards(ctx, w.target, servesWithin).signs
	}
	if a := c.unclear(ctx, w, now); a != nil {
		return *a
	}
	switch {
	case now.err != nil:
		return *refused("%v A failback moves a platform of which both Regions answer and agree, so nothing was begun. {status} says how they stand.", now.says())
	case now.region == w.target:
		left, err := c.fled(ctx, w.target)
		if err != nil {
			return *c.answerTo(err, false)
		}
		if !left {
			return *refused("%v Nothing has to go back there.", now.says())
		}
	}
	if a := c.wrongWay(w, now); a != nil {
		return *a
	}
	if w.reason == "" && !ask.CanForm {
		return *refused("What is missing: the reason. Say it in one line: {failback %s it has been well since noon}.", w.target)
	}
	if w.reason == "" {
		return Answer{Form: &Form{
			Verb: "failback", On: w.words(), Title: "Start a failback", Submit: "Start",
			Text:   text.Format("%v %v Nothing changes before somebody presses Go.", c.backAs(w.target, now), now.says()),
			Fields: []Field{{Name: "reason", Label: "Reason", Hint: everybodyReads, Lines: true}},
		}}
	}
	return c.declare(ctx, ask, who, w, now)
}

// backAs is what a failback to a Region is for, as a heading.
func (c *Commands) backAs(target string, now serving) text.Text {
	if now.region == target {
		return text.Heading("%s becomes a standby again.", c.standby(target))
	}
	return text.Heading("Users go back to %s.", target)
}

// requestedBack reads what was said of a failback. Home is meant where no Region is named.
func (c *Commands) requestedBack(ask Ask) (request, map[string]text.Text, error) {
	w := request{kind: incident.Failback, target: c.Topology.Home, mode: planned}
	word, rest := cut(strings.TrimSpace(ask.On + " " + ask.Text))
	switch region := c.region(word); {
	case region != "" && region != c.Topology.Home:
		return w, nil, refuse("A failback leads to %s, where the platform is at home, and %s is not. Nothing was begun.", c.Topology.Home, region)
	case region != "":
		w.reason = rest
	case word != "" && rest == "", regionLike.MatchString(text.Fold(word)): // one word is no reason
		return w, nil, c.unknownRegion(word, "failback")
	default:
		w.reason = strings.TrimSpace(word + " " + rest)
	}
	if word, rest := cut(w.reason); text.Fold(word) == planned { // as words has it
		w.reason = rest
	} else if text.Fold(word) == unplanned {
		return w, nil, refuse("A failback is planned: both Regions answer, and nothing is lost on the way home. Nothing was begun.")
	}
	if ask.Values != nil {
		w.reason = strings.TrimSpace(ask.Values["reason"])
		switch {
		case w.reason == "":
			return w, map[string]text.Text{"reason": text.Format("This is needed.")}, nil
		case len([]rune(w.reason)) > reasonMax:
			return w, map[string]text.Text{"reason": text.Format("At most %d letters; put the rest in a note.", reasonMax)}, nil
		}
	}
	return w, nil, c.shortReason(w)
}
