package evidence

import (
	"bytes"
	"encoding/json"
	"fmt"
	htmltemplate "html/template"
	"slices"
	"strings"
	texttemplate "text/template"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// JSON is the report for other programs.
func (r *Report) JSON() ([]byte, error) {
	out, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the evidence: %w", err)
	}
	return append(out, '\n'), nil
}

// Markdown fills in templates/evidence/evidence.md.tmpl.
func (r *Report) Markdown(template string) ([]byte, error) {
	t, err := texttemplate.New("evidence.md.tmpl").Option("missingkey=error").Funcs(functions).Funcs(texttemplate.FuncMap{"md": text.Markdown}).Parse(template)
	if err != nil {
		return nil, fmt.Errorf("read the template of the evidence: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, r); err != nil {
		return nil, fmt.Errorf("write the evidence: %w", err)
	}
	return append(bytes.TrimSpace(out.Bytes()), '\n'), nil
}

// HTML fills in templates/evidence/evidence.html.tmpl: one page that needs nothing else.
func (r *Report) HTML(template string) ([]byte, error) {
	t, err := htmltemplate.New("evidence.html.tmpl").Option("missingkey=error").Funcs(functions).Parse(template)
	if err != nil {
		return nil, fmt.Errorf("read the template of the evidence: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, r); err != nil {
		return nil, fmt.Errorf("write the evidence: %w", err)
	}
	return out.Bytes(), nil
}

// Count is how many bullets have that verdict.
func (r *Report) Count(v Verdict) (n int) {
	for _, b := range r.Control {
		if b.Verdict == v {
			n++
		}
	}
	return n
}

// functions are what both templates may call.
var functions = map[string]any{
	"proven": func(r *Report, v string) int { return r.Count(Verdict(v)) },
	"open":   func(r *Report) int { return len(r.Control) - r.Count(Proven) },
	"whole": func(r *Report) (n int) {
		for _, t := range r.Timelines {
			if t.Whole {
				n++
			}
		}
		return n
	},
	"count":  text.Count,
	"day":    func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"moment": moment,
	"short":  func(digest string) string { return digest[:min(6, len(digest))] },
	"took": func(s Step) string {
		if s.Took() == 0 {
			return ""
		}
		return text.Tenths(s.Took())
	},
	"list": func(of []string) string {
		if len(of) == 0 {
			return "none"
		}
		return strings.Join(of, "; ")
	},
	"people":   people,
	"asked":    func(s string) bool { return strings.HasSuffix(s, "?") },
	"achieved": achieved,
	"cites":    cites,
	"tone": func(v Verdict) string {
		return map[Verdict]string{Proven: "good", InPart: "part", NotTested: "bad"}[v]
	},
	"sign": func(v Verdict) string {
		return map[Verdict]string{Proven: "✓", InPart: "◐", NotTested: "✗"}[v]
	},
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// people are who had a part, each once, with all that they did.
func people(roles []Role) string {
	var names []string
	did := map[string][]string{}
	for _, r := range roles {
		if !slices.Contains(names, r.Who) {
			names = append(names, r.Who)
		}
		did[r.Who] = append(did[r.Who], r.Role)
	}
	for i, name := range names {
		names[i] = name + " (" + strings.Join(did[name], ", ") + ")"
	}
	return strings.Join(names, "; ")
}

// achieved is what was measured, in a cell of a table.
func achieved(a *Achieved) string {
	switch {
	case a == nil:
		return ""
	case a.Achieved == "":
		return "not known"
	case a.Met == nil:
		return a.Achieved
	case *a.Met:
		return a.Achieved + ", within " + a.Objective
	}
	return a.Achieved + ", more than " + a.Objective
}

// citedMost bounds how many events a cell of a table names; JSON has all.
const citedMost = 12

// cites names events: INC-2026-0002-k7qxa2bc events 12, 31.
func cites(records []Record) string {
	var ids []incident.ID
	numbers := map[incident.ID][]string{}
	for i, r := range records {
		if i == citedMost {
			break
		}
		if !slices.Contains(ids, r.Incident) {
			ids = append(ids, r.Incident)
		}
		numbers[r.Incident] = append(numbers[r.Incident], fmt.Sprint(r.Seq))
	}
	var out []string
	for _, id := range ids {
		word := "events"
		if len(numbers[id]) == 1 {
			word = "event"
		}
		out = append(out, fmt.Sprintf("%s %s %s", id, word, strings.Join(numbers[id], ", ")))
	}
	if more := len(records) - citedMost; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(out, "; ")
}
