package incident

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Why an assessment was made.
const (
	WhyCheck    = "check"    // a person asked for it
	WhySchedule = "schedule" // it was due
)

// KeepAssessment puts an assessment on the platform log, in the name of whoever made it:
// the way they came by, nil for the bot itself, and the lease's token where it was due;
// 0 where a person asked for it.
func (b *Book) KeepAssessment(ctx context.Context, a Assessment, via *Via, fence uint64) error {
	_, err := b.Decide(ctx, PlatformLog, func(*State) (Write, error) {
		return Write{Fence: fence, Events: []Event{{Time: a.At, Actor: a.By, Via: via, Body: a.AssessmentMade}}}, nil
	})
	return err
}

// Brief is the same without the evidence of what is well, and without what people are to
// be asked: what is made again and again is kept for ever.
func (a AssessmentMade) Brief() AssessmentMade {
	a.Findings = slices.Clone(a.Findings)
	for i, f := range a.Findings {
		a.Findings[i].Asks = nil // what people are asked stands beside it
		if f.Well() {
			a.Findings[i].Evidence = nil
		}
	}
	return a
}

// Tally counts findings by their verdicts.
type Tally struct {
	Passed, Warned, Failed, Unknown, NotApplicable int
	// Advice are those that failed or are unknown and that nothing waits for.
	Advice int
}

// Count is the tally of these.
func Count(findings []Finding) Tally {
	var t Tally
	for _, f := range findings {
		switch f.Verdict {
		case Pass:
			t.Passed++
		case Warn:
			t.Warned++
		case NotApplicable:
			t.NotApplicable++
		case Fail:
			t.Failed++
		case Unsure:
			t.Unknown++
		}
		if f.Gate == GateAdvice && (f.Verdict == Fail || f.Verdict == Unsure) {
			t.Advice++
		}
	}
	return t
}

// Result is what findings come to: Fail when a required one failed, Unsure when one
// could not be found out, and Pass otherwise, whatever advice says. Nothing comes of
// no finding at all, which is Unsure.
func Result(findings []Finding) Verdict {
	out := Pass
	if len(findings) == 0 {
		return Unsure
	}
	for _, f := range findings {
		switch {
		case f.Gate == GateAdvice:
		case f.Verdict == Fail:
			return Fail
		case f.Verdict != Pass && f.Verdict != Warn && f.Verdict != NotApplicable:
			out = Unsure
		}
	}
	return out
}

// WorstFirst are the findings in the order in which people should read them: what
// failed or is unknown and is required, the same where it is advice, what deserves a
// second look, what is well, and what does not apply. Within these the order stays.
func WorstFirst(findings []Finding) []Finding {
	out := slices.Clone(findings)
	slices.SortStableFunc(out, func(a, b Finding) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func rank(f Finding) int {
	n := 2 * slices.Index([]Verdict{Fail, Unsure, Warn, Pass, NotApplicable}, f.Verdict)
	switch {
	case f.Gate == GateAdvice && n < 4:
		return n + 4
	case n < 4:
		return n
	}
	return n + 4
}

// Well says that there is nothing to look at: it passed, or does not apply.
func (f Finding) Well() bool { return f.Verdict == Pass || f.Verdict == NotApplicable }

// Since is as of when a finding is that was made at that time.
func (f Finding) Since(made time.Time) time.Time {
	if f.AsOf.IsZero() {
		return made
	}
	return f.AsOf
}

// String is the figure with its unit, and its limit where it has one: "age of the
// backup 22 min (limit 15 min)".
func (f Figure) String() string {
	say := f.Name + " " + amount(f.Value, f.Unit)
	if f.Limit != nil {
		say += " (limit " + amount(*f.Limit, f.Unit) + ")"
	}
	return say
}

func amount(v float64, unit string) string {
	n := strconv.FormatFloat(v, 'f', -1, 64)
	switch unit {
	case "":
		return n
	case "%":
		return n + unit
	}
	return n + " " + unit
}

// Change is a check whose verdict is another one than it was.
type Change struct {
	Finding
	// Was is what it was; empty of a check that is new.
	Was Verdict
}

// told is how the checks of a Region stand as the schedule has seen them. What could
// not be found out counts once it could not twice in a row: a call that is lost now and
// then is no news.
type told struct {
	verdict map[string]Verdict
	unsure  map[string]bool // in the newest assessment
}

// changes takes an assessment into account and says what is new in it, in its order. Of
// checks that are new, or new because it is the first, that is what is not well.
func (t *told) changes(a AssessmentMade) []Change {
	var out []Change
	verdict, unsure := map[string]Verdict{}, map[string]bool{}
	for _, f := range a.Findings {
		was, known := t.verdict[f.Step]
		is := f.Verdict
		if unsure[f.Step] = is == Unsure; is == Unsure && !t.unsure[f.Step] {
			if is = was; !known {
				continue
			}
		}
		verdict[f.Step] = is
		if is != was && (known || !f.Well()) {
			out = append(out, Change{f, was})
		}
	}
	t.verdict, t.unsure = verdict, unsure
	return out
}

// Says is the sentence of the finding behind its verdict: "n/a" already says that it is not
// applicable.
func (f Finding) Says() string {
	if f.Verdict == NotApplicable {
		return strings.TrimPrefix(f.Summary, "not applicable: ")
	}
	return f.Summary
}

// Word is the verdict in the words of lists that people read, and Mark what stands
// before it: neither needs a colour.
func (v Verdict) Word() string { return said[v].word }

// Mark is one character for the verdict.
func (v Verdict) Mark() string { return said[v].mark }

var said = map[Verdict]struct{ word, mark string }{
	Pass: {"ok", "✓"}, Warn: {"warning", "!"}, Fail: {"failed", "✗"}, Unsure: {"unknown", "?"}, NotApplicable: {"n/a", "–"},
}
