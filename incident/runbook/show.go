package runbook

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	spoken "github.com/failoverbot/failoverbot/incident/text" // text is what a runbook has
)

// showWidth is how wide [Show] writes: a terminal beside a chat window.
const showWidth = 100

// Show is a plan as text for a terminal.
func Show(p *Plan) string {
	var b strings.Builder
	last := ""
	for _, s := range p.Steps {
		if s.NoReturn {
			last = s.Title
		}
	}
	wrap(&b, "", "", fmt.Sprintf("%s · %s", p.Runbook, p.Title))
	head := fmt.Sprintf("%s, %s -> %s · plan %s · %s, %s",
		cmp.Or(string(p.Kind), p.Mode), p.Source.Name, p.Target.Name, p.Digest[:min(6, len(p.Digest))],
		spoken.Count(len(p.Steps), "step"), spoken.Count(p.Decisions(), "decision"))
	if d := p.Usually(); d > 0 {
		head += fmt.Sprintf(" · about %s of machine time", span(d))
	}
	wrap(&b, "", "", head)
	if last != "" {
		wrap(&b, "", "", "no return after: "+last)
	}
	for _, section := range p.Sections {
		b.WriteString("\n")
		wrap(&b, "", "", section.ID+"  "+section.Title)
		for _, s := range p.Steps {
			if s.Section == section.ID {
				showStep(&b, s)
			}
		}
	}
	return b.String()
}

func showStep(b *strings.Builder, s Step) {
	wrap(b, "  ", "    ", s.ID+"  "+s.Title)
	facts := []string{string(s.Kind) + " " + s.Uses, "gate " + string(s.Gate), "at most " + span(s.Timeout)}
	if s.Usually > 0 {
		facts = append(facts, "usually "+span(s.Usually))
	}
	if s.Home != "" {
		facts = append(facts, "calls "+s.Home)
	}
	if s.Turned {
		facts = append(facts, "source and target exchanged")
	}
	if s.Closing {
		facts = append(facts, "when the incident is resolved")
	}
	if s.Locked {
		facts = append(facts, "never skipped")
	}
	row := func(label, value string) {
		if value != "" {
			wrap(b, fmt.Sprintf("    %-9s ", label), strings.Repeat(" ", 14), value)
		}
	}
	row("does", strings.Join(facts, " · "))
	row("source", s.Source)
	row("without", s.Without)
	row("needs", strings.Join(s.Needs, ", "))
	if len(s.Rerun) > 0 {
		row("retried", "with "+strings.Join(s.Rerun, ", "))
	}
	if a := s.Approval; a != nil {
		asks := a.By + ", asked again after " + span(a.Expires)
		if a.Confirm != "" {
			asks += ", types the target " + a.Confirm
		}
		if len(a.Covers) > 0 {
			asks += "; also for " + strings.Join(a.Covers, ", ")
		}
		row("approval", asks)
	}
	if s.CoveredBy != "" {
		row("approval", "with "+s.CoveredBy)
	}
	switch {
	case s.NoReturn && s.Undo != "":
		row("no return", "not taken back at once; the way on: "+s.Undo)
	case s.NoReturn:
		row("no return", "not taken back at once")
	default:
		row("undo", s.Undo)
	}
}

// span writes 10m instead of 10m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// wrap writes text in lines of showWidth, the first after lead, the others after
// rest. A word longer than a line keeps its length.
func wrap(b *strings.Builder, lead, rest, text string) {
	line, length := lead, utf8.RuneCountInString(lead)
	fresh := true
	for _, word := range words(text) {
		n := utf8.RuneCountInString(word)
		if !fresh && length+1+n > showWidth {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, length, fresh = rest, utf8.RuneCountInString(rest), true
		}
		if !fresh {
			line += " "
			length++
		}
		line += word
		length += n
		fresh = false
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

// words keeps the double space between an id and its title.
func words(text string) []string {
	head, tail, two := strings.Cut(text, "  ")
	if !two {
		return strings.Fields(text)
	}
	return append([]string{head + " "}, strings.Fields(tail)...)
}
