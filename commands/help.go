package commands

import (
	"context"
	"errors"
	"slices"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// help lists what may be asked, what works now first.
func (c *Commands) help(ctx context.Context, ask Ask, who Person) Answer {
	first := []string{"start", "check"}
	when := text.Heading("Now, with no incident open")
	id, a := c.current(ctx, ask)
	var err error
	if a != nil {
		err = errors.New("the incident cannot be told")
	}
	if err == nil && id != "" {
		err = c.Book.View(ctx, id, func(s *incident.State) {
			if s.Seq == 0 || !s.ResolvedAt.IsZero() {
				return
			}
			first, when = worksNow(c.look(s)), text.Heading("Now, with %s %s", s.ID.Name(), s.Phase())
		})
	}
	if err != nil {
		first, when = nil, text.Heading("The record (Redis) cannot be reached, so only this list works now")
	}
	now := []text.Text{when}
	also := []text.Text{text.Heading("Also")}
	for _, v := range verbs() {
		if v.usage == "" {
			continue
		}
		line := text.Format("{%s} %s", v.usage, v.about)
		if v.may != nil && !who.Has(v.may...) {
			line = line.Add(" (takes %s)", either(v.may))
		}
		if slices.Contains(first, v.name) {
			now = append(now, line)
		} else {
			also = append(also, line)
		}
	}
	end := text.Format("Regions: %s.", text.List(c.regions(), "and"))
	if len(who.Roles) == 0 {
		end = end.Add(" You are not on the roster: you can use status and help.")
	}
	return Answer{Text: text.Lines(append(append(now, also...), end)...)}
}

// worksNow are the verbs that do something in that State.
func worksNow(s view.View) []string {
	out := []string{"status"}
	switch s.Phase() {
	case "aborted", "mitigated", "ended", "taken back":
		if s.MayTakeBack() == "" {
			out = append(out, "take_back")
		}
		return append(out, "resolve", "note", "timeline")
	case "halted":
		return append(out, "repair", "note", "timeline")
	case "paused":
		out = append(out, "resume")
	case "readiness":
		out = append(out, "readiness", "go", "go_override", "pause")
	default:
		out = append(out, "pause")
	}
	if len(s.OfKind(incident.AskApprove)) > 0 {
		out = append(out, "approve", "decline")
	}
	for _, q := range s.OfKind(incident.AskApprove) {
		if s.Expiries[q.Step] > 0 {
			out = append(out, "break_glass")
			break
		}
	}
	for _, st := range s.Steps {
		if st.Status == incident.Failed {
			out = append(out, "retry", "skip")
			if s.Overwrites(st.ID) {
				out = append(out, "overwrite")
			}
			break
		}
	}
	if s.OffersSwitch() {
		out = append(out, "switch")
	}
	return append(out, "abort", "note")
}
