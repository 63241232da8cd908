package commands

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// check carries out the readiness checks towards a Region, without an incident.
func (c *Commands) check(ctx context.Context, ask Ask, _ Person) Answer {
	said := flagless(strings.TrimSpace(ask.On + " " + ask.Text))
	if word, _ := cut(text.Fold(said)); word != "" && c.region(word) == "" && word != planned && word != unplanned {
		return *c.answerTo(c.unknownRegion(word, "check"), false)
	}
	w, err := c.typedRequest(said)
	if err == nil && w.reason != "" {
		err = refuse("{check} takes a Region and planned or unplanned, not %v. For example {check %s unplanned}.",
			typed(w.reason), nonempty(w.target, c.standby("")))
	}
	if err != nil {
		return *c.answerTo(err, false)
	}
	now := c.serving(ctx, 10*time.Second)
	if w.target == "" {
		w.target = c.standby(now.region)
	}
	if w.target == now.region {
		return *refused("%s What can be checked is a Region that would take over: {check %s}.", now.says(), c.standby(now.region))
	}
	if a := c.wrongWay(w, now); a != nil {
		return *a
	}
	w.mode = nonempty(w.mode, planned)
	a, err := c.assess(ctx, w, now, incident.WhyCheck, ask.person)
	if err != nil {
		return *c.answerTo(err, false)
	}
	kept := c.keep(ctx, ask, a)
	return Answer{Text: text.Lines(c.readiness(a, now), kept, c.proved(ctx))}
}

// assess carries the checks out.
func (c *Commands) assess(ctx context.Context, w request, now serving, why, by string) (incident.Assessment, error) {
	w.reason = "readiness check"
	facts, err := c.facts(w, now)
	if err != nil {
		return incident.Assessment{}, err
	}
	facts.Incident = string(incident.NewID(c.Clock.Now().Year(), 0, ""))
	plan, err := c.Compile(facts)
	if err != nil {
		return incident.Assessment{}, refuse("The runbook cannot be carried out like this, so there is nothing to check: %s", faults(err))
	}
	made := c.Engine.Readiness(ctx, plan, why)
	return incident.Assessment{AssessmentMade: made, At: c.Clock.Now(), By: by}, nil
}

// AssessStandby makes, in the bot's own name, the assessment that is due: of the Region
// that would take over now, planned, for a planned move looks at all that an unplanned
// one does, and of what the bot itself is relied on for. Where nobody can tell which
// Region serves it is taken to be home. It changes nothing, and is not kept.
func (c *Commands) AssessStandby(ctx context.Context) (incident.Assessment, error) {
	now := c.serving(ctx, servingWithin)
	w := request{target: c.standby(now.region), mode: planned}
	a, err := c.assess(ctx, w, now, incident.WhySchedule, incident.Bot)
	a.Findings = append(a.Findings, c.proofsFound(ctx)...)
	return a, err
}

// flagless leaves the names of flags out, as they are typed in a terminal: what stands
// behind them is understood without. Clients make one long dash of two hyphens.
func flagless(words string) string {
	var out []string
	for w := range strings.FieldsSeq(words) {
		name, value, _ := strings.Cut(text.Fold(w), "=")
		if flag := strings.TrimLeft(name, "-–—"); flag != name && (flag == "mode" || flag == "target") {
			w = value
		}
		out = append(out, w)
	}
	return strings.Join(slices.DeleteFunc(out, func(w string) bool { return w == "" }), " ")
}

// keep puts the assessment on the platform log; what it returns says that it could not
// be, and is empty otherwise. The answer is the same.
func (c *Commands) keep(ctx context.Context, ask Ask, a incident.Assessment) text.Text {
	ctx, stop := c.bounded(ctx, 5*time.Second, "putting it on the record")
	defer stop()
	if err := c.Book.KeepAssessment(ctx, a, &ask.Via, 0); err != nil {
		c.log.Warn().Err(err).Msg("an assessment is not on the platform log")
		return text.Format("What was found could not be put on the record: %v.", text.Error(err))
	}
	return text.Text{}
}

// checkMax is how long the answer may be; the surface splits it.
const checkMax = 7500

func (c *Commands) readiness(a incident.Assessment, now serving) text.Text {
	say := text.Format("%v to take over, %s, read at %v: %v\n%v", text.Heading("Readiness of %s", a.Target), a.Mode, clock(a.At), tallied(a.Findings), now.says())
	if len(a.Findings) == 0 {
		return say.Add("\nThe plan has no check that could be carried out now.")
	}
	causes, rest := told(a.Findings)
	lines := causes
	for _, f := range incident.WorstFirst(rest) {
		lines = append(lines, findingLine(f, f.Verdict.Word(), c.Clock.Now()))
	}
	return listing(text.Lines(say, gated(a)), lines)
}

// gated says what the required checks come to.
func gated(a incident.Assessment) text.Text {
	var failed, unknown int
	for _, f := range a.Findings {
		switch {
		case f.Gate == incident.GateAdvice:
		case f.Verdict == incident.Fail:
			failed++
		case f.Verdict == incident.Unsure:
			unknown++
		}
	}
	switch incident.Result(a.Findings) {
	case incident.Fail:
		return text.Format("%s is not ready to take over: %s failed.", a.Target, text.Count(failed, "required check"))
	case incident.Unsure:
		return text.Format("Whether %s is ready to take over is not known: %s could not be found out.", a.Target, text.Count(unknown, "required check"))
	default:
		return text.Format("%s could take over: every required check passes.", a.Target)
	}
}

// tallied counts findings in words.
func tallied(findings []incident.Finding) text.Text {
	t := incident.Count(findings)
	say := text.Format("%d ok, %d failed, %d unknown", t.Passed, t.Failed, t.Unknown)
	if t.Advice > 0 {
		say = say.Add(" (%d of them advice)", t.Advice)
	}
	if t.Warned > 0 {
		say = say.Add(", %s", text.Count(t.Warned, "warning"))
	}
	if t.NotApplicable > 0 {
		say = say.Add(", %d not applicable", t.NotApplicable)
	}
	return say
}

// listing is as many lines as fit below a head.
func listing(say text.Text, lines []text.Text) text.Text {
	length := say.Len()
	for i, line := range lines {
		if length += line.Len() + 1; length > checkMax {
			return say.Add("\nand %s more", text.Count(len(lines)-i, "check"))
		}
		say = text.Lines(say, line)
	}
	return say
}

// marks of checks that have no verdict.
var marks = map[string]string{"running": "▸", "to come": "·", "skipped": "–"}

// findingLine is one check: the word first, so it reads without colour.
func findingLine(f incident.Finding, word string, now time.Time) text.Text {
	line := text.Format("%s %v %v", nonempty(marks[word], f.Verdict.Mark()), text.ID(fmt.Sprintf("%-7s", word)), text.Passage(f.Title))
	if f.Summary != "" {
		line = line.Add(": %v", text.Quote(text.Shorten(f.Says(), 300)))
	}
	if age := f.Evidence["age"]; age != "" {
		line = line.Add(" (%v old)", text.Quote(age))
	}
	if (f.Verdict == incident.Fail || f.Verdict == incident.Unsure) && f.Gate == incident.GateAdvice {
		line = line.Add(" (advice)")
	}
	if l := f.Last; l != nil && f.Verdict == incident.Unsure {
		line = line.Add("\n      Last known, %v ago: %s, %v", now.Sub(l.At), l.Verdict.Word(), text.Quote(text.Shorten(l.Summary, 200)))
	}
	if f.Hint != "" && f.Verdict != incident.Pass {
		line = line.Add("\n      %v", text.Passage(text.Shorten(f.Hint, 200)))
	}
	return line
}
