package slack

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// keyAssessment begins the keys of what was said of assessments; the number of the
// newest that it was said of follows.
const keyAssessment = "assessment/"

// readinessView is an assessment as the channel and App Home show it.
type readinessView struct {
	Target, Mode          string
	At, Age               string
	OK, Failed, Unknown   int
	Warned, NotApplicable int
	// Ready says what the required checks come to.
	Ready string
	// Changes is what has changed since it was last told, Bad what is not well; More is
	// how many more there are.
	Changes, Bad []finding
	More         int
}

func readinessOf(a *incident.Assessment, now time.Time) readinessView {
	t := incident.Count(a.Findings)
	v := readinessView{
		Target: lineOf(a.Target, 40), Mode: lineOf(a.Mode, 20), At: dayTime(a.At), Age: text.Duration(max(0, now.Sub(a.At))),
		OK: t.Passed, Failed: t.Failed, Unknown: t.Unknown, Warned: t.Warned, NotApplicable: t.NotApplicable,
	}
	switch incident.Result(a.Findings) {
	case incident.Fail:
		v.Ready = v.Target + " is not ready to take over: a required check failed."
	case incident.Pass:
		v.Ready = v.Target + " could take over."
	default:
		v.Ready = "Whether " + v.Target + " could take over is not known."
	}
	return v
}

// findingOf is a finding of an assessment that was made then.
func findingOf(f incident.Finding, made time.Time) finding {
	out := finding{Mark: f.Verdict.Mark(), Title: lineOf(f.Title, 120), Text: lineOf(f.Says(), 240)}
	if f.Verdict == incident.Unsure {
		out.Text += lastKnown(f.Last, made)
	}
	if f.Hint != "" && !f.Well() {
		out.Text += " · " + lineOf(f.Hint, 200)
	}
	if f.Gate == incident.GateAdvice && (f.Verdict == incident.Fail || f.Verdict == incident.Unsure) {
		out.Text += " (advice)"
	}
	return out
}

// news is what of the readiness is to be told.
type news struct {
	last    *incident.Assessment // the newest that something is new in
	since   time.Time            // when the oldest was made
	changes []incident.Change    // as they come to by now
}

// newsOf is what has changed in the assessments that were due since what was told last:
// what has changed and is again as it was is not told.
func newsOf(p *incident.Platform, told map[string]incident.Place) news {
	var n news
	if p == nil {
		return n
	}
	var newest uint64
	for key := range told {
		if seq, err := strconv.ParseUint(strings.TrimPrefix(key, keyAssessment), 10, 64); err == nil && strings.HasPrefix(key, keyAssessment) {
			newest = max(newest, seq)
		}
	}
	was, at := map[string]incident.Verdict{}, map[string]int{}
	for i := range p.Assessments {
		a := &p.Assessments[i]
		if a.Seq <= newest || len(a.Changed) == 0 {
			continue
		}
		if n.last == nil {
			n.since = a.At
		}
		last := *a // the State is not kept
		n.last = &last
		for _, c := range a.Changed {
			if j, before := at[c.Step]; before {
				c.Was = was[c.Step]
				n.changes[j] = c
				continue
			}
			was[c.Step], at[c.Step] = c.Was, len(n.changes)
			n.changes = append(n.changes, c)
		}
	}
	var left []incident.Change
	for _, c := range n.changes {
		if c.Was != c.Verdict && (c.Was != "" || !c.Well()) {
			left = append(left, c)
		}
	}
	n.changes = left
	return n
}

// TellReadiness says in the channel what has changed in the readiness since that was told
// last; nothing where nothing has. It reads what is on the platform log, says each change
// once, also after a crash, and may be called at any time, by one replica at a time.
func (b *Face) TellReadiness(ctx context.Context) error {
	told, err := b.opt.Book.Log().Remembered(ctx, incident.PlatformLog)
	if err != nil {
		return fmt.Errorf("read what was said of the readiness: %w", err)
	}
	var n news
	err = b.opt.Book.View(ctx, incident.PlatformLog, func(s *incident.State) { n = newsOf(s.Platform, told) })
	if err != nil || len(n.changes) == 0 {
		return err
	}
	f := newFollower(b, incident.PlatformLog)
	f.since = n.since
	if err := f.begin(ctx); err != nil {
		return err
	}
	key := keyAssessment + strconv.FormatUint(n.last.Seq, 10)
	if f.posted[key] == "" {
		err = f.say(ctx, post{key: key, m: b.readinessMessage(n, key)})
	}
	if err != nil {
		return err
	}
	return f.recordAll(ctx)
}

func (b *Face) readinessMessage(n news, key string) message {
	v := readinessOf(n.last, b.clock.Now())
	for _, c := range n.changes {
		f := findingOf(c.Finding, n.last.At)
		if c.Was != "" {
			f.Text += " (was " + c.Was.Word() + ")"
		}
		v.Changes = append(v.Changes, f)
	}
	v.cut(&v.Changes)
	m := compose(b.words.say("readiness", v), b.opt.Rehearsal, row("readiness", checkNow(n.last))...)
	m.meta = map[string]any{"incident": string(incident.PlatformLog), "key": key, "kind": "readiness"}
	return m
}

// cut leaves out what is too much.
func (v *readinessView) cut(list *[]finding) {
	if len(*list) > badMax {
		v.More, *list = len(*list)-badMax, (*list)[:badMax]
	}
}

func checkNow(a *incident.Assessment) commands.Button {
	return commands.Button{Verb: "check", Label: "Check now", On: a.Target + " " + a.Mode}
}

// readinessPart is what App Home shows of the newest assessment, whoever made it; none
// where there is none.
func (b *Face) readinessPart(p *incident.Platform, now time.Time, listed bool) []homePart {
	a := p.Newest("")
	if a == nil {
		return nil
	}
	v := readinessOf(a, now)
	for _, f := range incident.WorstFirst(a.Findings) {
		if !f.Well() {
			v.Bad = append(v.Bad, findingOf(f, a.At))
		}
	}
	v.cut(&v.Bad)
	part := homePart{homeView: homeView{Readiness: &v}}
	if listed {
		part.rows = row("readiness", checkNow(a))
	}
	return []homePart{part}
}

// watchPlatform looks at every App Home again when something is new on the platform log.
func (b *Face) watchPlatform(ctx context.Context) {
	for ctx.Err() == nil {
		var seq uint64
		err := b.opt.Book.View(ctx, incident.PlatformLog, func(s *incident.State) { seq = s.Seq })
		if err == nil {
			b.homes.wakeUp.signal()
			resume := b.clock.Idle()
			err = b.opt.Book.Log().Wait(ctx, incident.PlatformLog, seq)
			resume()
		}
		if err != nil && b.clock.Sleep(ctx, slowest) != nil {
			return
		}
	}
}
