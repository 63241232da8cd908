package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// recordWithin is how long status waits for the record.
const recordWithin = time.Second

// status says where things stand; without an incident, how the last one ended
// and which Region serves. It answers with what is known, whatever cannot be reached.
func (c *Commands) status(ctx context.Context, ask Ask, _ Person) Answer {
	soon, stop := c.bounded(ctx, recordWithin, "reading the record")
	defer stop()
	a := c.stands(soon, ask)
	if ask.Incident != "" {
		return a
	}
	away := false
	if a.Refused {
		_, err := c.Book.Log().Open(soon)
		away = err != nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !a.Refused {
		c.stood, c.stoodAt = a, c.Clock.Now()
		return a
	}
	if away && !c.stoodAt.IsZero() {
		a.Text = text.Lines(a.Text, text.Format("What was known at %v, %v ago:", c.at(c.stoodAt), c.Clock.Now().Sub(c.stoodAt)), c.stood.Text)
	}
	return a
}

func (c *Commands) stands(ctx context.Context, ask Ask) Answer {
	id, a := c.current(ctx, ask)
	if a != nil {
		return *a
	}
	if id != "" {
		var say text.Text
		a := c.view(ctx, id, func(s *incident.State, p *runbook.Plan) error {
			lines := []text.Text{hurt(s), c.silent(id)}
			if !s.Gone() {
				lines = append(lines, c.standingOf(s, p))
			}
			lines = slices.DeleteFunc(lines, text.Text.Empty)
			say = text.Lines(lines...)
			return nil
		})
		if a != nil {
			return *a
		}
		return Answer{Text: say}
	}
	say := text.Format("No incident is open.")
	last, a := c.lastOne(ctx)
	if a != nil {
		return *a
	}
	now, serves, later := c.servingAtOnce()
	return Answer{
		Text:  say.Add(" %v\n%v\nTo look at the standby: {check %s}. To begin: {start %s}.", serves, last, c.standby(now.region), c.standby(now.region)),
		Later: later,
	}
}

// hurt says what is the matter with the record of an incident; empty if nothing is.
func hurt(s *incident.State) text.Text {
	switch d := s.Diverged; {
	case d != nil && d.Common == 0 && s.Gone():
		return text.Format("The record (Redis) has lost all %s that it had of %s, and nothing is carried out before somebody has decided: %v{repair go-on REASON} closes it as it is.", text.Count(int(d.Held), "event"), s.ID.Name(), restores(d))
	case d != nil:
		return text.Format("The record (Redis) has lost %s of %s, and nothing is carried out before somebody has decided: %v{repair go-on REASON} takes what is left for the truth.", text.Count(int(d.Held-d.Common), "event"), s.ID.Name(), restores(d))
	case s.Damage != "":
		return text.Format("The record (Redis) of %s is damaged: %s. Nothing is carried out on it; {abort REASON} stops the run, {timeline} shows what is left.", s.ID.Name(), s.Damage)
	}
	return text.Text{}
}

// restores offers to put the lost events back, where that can be done.
func restores(d *incident.HistoryDiverged) text.Text {
	if incident.Unrestorable(d) != nil {
		return text.Text{}
	}
	return text.Format("{repair restore REASON} puts them back, ")
}

// silentAfter is for how long a replica may say nothing before that is told.
const silentAfter = 3 * time.Second

// silent says that the replica which carries the run out is not heard of, and when
// this one takes over; empty otherwise.
func (c *Commands) silent(id incident.ID) text.Text {
	t, other := c.Engine.Awaits(id)
	since := c.Clock.Now().Sub(t.Heard)
	if !other || since < silentAfter {
		return text.Text{}
	}
	return text.Format("The replica that carried it out has been silent for %v; this one takes over at %v.", since.Truncate(time.Second), clock(t.At))
}

func (c *Commands) lastOne(ctx context.Context) (text.Text, *Answer) {
	ids, err := c.Book.Log().Incidents(ctx, 1)
	if err != nil {
		return text.Text{}, c.answerTo(err, false)
	}
	if len(ids) == 0 {
		return text.Format("There has been no incident before."), nil
	}
	var say text.Text
	id := ids[len(ids)-1]
	err = c.Book.View(ctx, id, func(s *incident.State) {
		if s.Gone() {
			say = text.Format("The last one: %s, of which the record (Redis) has lost all; closed at %s by %s.", id.Name(), c.at(s.ResolvedAt), named(s.ResolvedBy))
			return
		}
		say = text.Format("The last one: %s, %s -> %s, %s, started %s, %s", s.ID.Name(), s.Source, s.Target, s.How(), c.at(s.DeclaredAt), s.Phase())
		switch {
		case !s.ResolvedAt.IsZero():
			say = say.Add(" at %s by %s", c.at(s.ResolvedAt), named(s.ResolvedBy))
		case !s.AbortedAt.IsZero():
			say = say.Add(" at %s by %s", c.at(s.AbortedAt), named(s.AbortedBy))
		case s.Kind == incident.Undo && !s.EndedAt.IsZero():
			say = say.Add(" at %s", c.at(s.EndedAt))
		}
		if !s.MitigatedAt.IsZero() {
			say = say.Add("; %s has served since %s", s.Target, c.at(s.ServedAt()))
		}
		say = say.Add(".")
	})
	return say, c.answerTo(err, false)
}

// standingOf is the card in words.
func (c *Commands) standingOf(s *incident.State, p *runbook.Plan) text.Text {
	d, now := s.Declared, c.Clock.Now()
	if len(s.Runs) == 0 {
		return text.Format("%v · %s · no run has begun\nReason: %s (%s). Commander: %s.", text.Heading("%s", s.ID.Name()), d.Severity, text.Quote(d.Reason), named(s.DeclaredBy), named(d.Commander))
	}
	head := text.Format("%v · %s · %s -> %s · %s · %v", text.Heading("%s", s.ID.Name()), d.Severity, s.Source, s.Target, s.How(), c.phase(s, now))
	v := view.New(s, p, c.Roster, now)
	if lost := v.SourceLost(); !lost.IsZero() {
		gone := text.Format("%s has not answered since %v.", s.Source, clock(lost))
		if v.OffersSwitch() {
			gone = gone.Add(" {switch unplanned REASON} fails over without it.")
		}
		head = text.Lines(gone, head)
	}
	head = head.Add("\nReason: %s (%s). Commander: %s. Plan %s.", text.Quote(d.Reason), named(s.DeclaredBy), named(d.Commander), short6(s.Plan.Digest))
	var sections []string
	for _, sec := range v.Sections() {
		sections = append(sections, sectionLine(sec))
	}
	if back := v.GoneBack(); len(back) > 0 {
		head = text.Format("%v\n%v", text.Heading("Users go back to %s, since %v.", s.Source, clock(v.GoneBackSince())), head)
	}
	lines := []text.Text{head, text.Aligned(sections...), c.impactOf(v)}
	lines = append(lines, pointLines(v)...)
	for _, q := range v.OpenQuestions() {
		line := text.Format("Waiting: %s, for %v since %s (%v)", asks(q), c.waiting(s, q), text.Duration(now.Sub(q.AskedAt)), clock(q.AskedAt))
		if !q.Expires.IsZero() {
			line = line.Add(", asked again at %v", clock(q.Expires))
		}
		lines = append(lines, line.Add("."))
	}
	return text.Lines(append(lines, c.next(v))...)
}

func (c *Commands) phase(s *incident.State, now time.Time) text.Text {
	switch phase := s.Phase(); phase {
	case incident.ClosedUnserved:
		return text.Format("closed, not restored, at %s by %s", c.at(s.ResolvedAt), named(s.ResolvedBy))
	case "resolved":
		return text.Format("resolved at %s by %s", c.at(s.ResolvedAt), named(s.ResolvedBy))
	case "aborted":
		return text.Format("aborted at %s by %s: %s", c.at(s.AbortedAt), named(s.AbortedBy), text.Quote(s.Aborted.Reason))
	case "mitigated":
		return text.Format("mitigated at %s", c.at(s.MitigatedAt))
	case "taken back":
		return text.Format("taken back at %s: %s", c.at(s.EndedAt), text.Quote(s.Ended.Summary))
	case "taking back":
		return text.Format("taking back %v, as %v said", now.Sub(s.BegunAt), named(s.BegunBy))
	case "ended":
		return text.Format("%s ended at %s", string(s.Run.Name), c.at(s.EndedAt))
	case "halted":
		return text.Format("halted, because the record lost %s: {repair go-on REASON} or {repair restore REASON}", text.Count(int(s.Diverged.Held-s.Diverged.Common), "event"))
	case "paused":
		say := text.Format("paused by %v", named(s.PausedBy))
		if s.PauseReason != "" {
			say = say.Add(": %v", text.Quote(s.PauseReason))
		}
		return say
	case "running":
		return text.Format("running %v", now.Sub(s.GoAt))
	default:
		return text.Format("%s %v", phase, now.Sub(s.DeclaredAt))
	}
}

// sectionLine is one section: a word where something is the matter.
func sectionLine(s view.Section) string {
	mark, words := " ", []string{}
	for _, some := range []struct {
		n    int
		what string
	}{
		{len(s.Running), "under way"},
		{s.CutOff, "cut off"},
		{s.Failed, "failed"},
		{s.Advised, "advice"},
		{s.Overridden + s.Skipped, "skipped"},
	} {
		if some.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", some.n, some.what))
		}
	}
	if s.Asked != nil {
		words = append(words, "waiting for a person")
	}
	switch {
	case s.Failed > 0:
		mark = "x"
	case s.Finished():
		mark = "v"
	case len(s.Running) > 0 || s.CutOff > 0 || s.Asked != nil || s.Done > 0:
		mark = ">"
	}
	return strings.TrimRight(fmt.Sprintf("%s %-28s %7s  %s", mark, text.Shorten(s.Title, 28), fmt.Sprintf("%d/%d", s.Done, s.Total), strings.Join(words, ", ")), " ")
}

// next is what happens from here.
func (c *Commands) next(v view.View) text.Text {
	switch {
	case !v.ResolvedAt.IsZero():
		return text.Format("Nothing is left to do.")
	case !v.AbortedAt.IsZero():
		t, err := v.TakeBack()
		if err != nil {
			return c.afterStop(v.State, t) // its plan cannot be read, which is said where that is asked for
		}
		return then(c.remains(v.State, t), c.afterStop(v.State, t))
	case !v.EndedAt.IsZero() && v.MitigatedAt.IsZero():
		return text.Format("Next: the commander closes it, %v.", c.toClose(v.State))
	case !v.MitigatedAt.IsZero():
		return text.Format("Next: the commander resolves it, %v.", c.toClose(v.State))
	}
	next := v.Next()
	var running, stopped, lines []text.Text
	for _, st := range next.Running {
		now := text.Format("%s (%v)", st.Title, v.Now.Sub(v.Step(st.ID).Started))
		if far := v.Progress(st.ID); far != "" {
			now = now.Add(": %v", text.Quote(text.Shorten(far, 200)))
		}
		if held := v.Held(st.ID); held != "" {
			now = now.Add(": %v", text.Quote(text.Shorten(held, 200)))
		}
		running = append(running, now)
	}
	causes := v.Causes()
	for _, cause := range causes {
		lines = append(lines, causeLine(cause))
	}
	for _, st := range next.Stopped {
		if _, of := view.CauseOf(causes, st.ID); of {
			continue
		}
		stopped = append(stopped, text.Format("%s (%v): %v", st.Title, text.ID(st.ID), text.Quote(text.Shorten(v.Step(st.ID).Failure.Error, 150))))
	}
	if len(stopped) > 0 {
		lines = append(lines, text.Format("Stopped: %v", text.Join(stopped, "and")))
	}
	if len(running) > 0 {
		lines = append(lines, text.Format("Now: %v.", text.Join(running, "and")))
	}
	if len(next.Left) > 0 {
		lines = append(lines, text.Format("Next: %s.", next.Left[0].Title))
	}
	if v.Paused {
		lines = append(lines, text.Format("Nothing new starts before {resume}."))
	}
	if len(lines) == 0 {
		return text.Format("Next: it is verified that %s serves.", v.Target)
	}
	return text.Lines(lines...)
}
