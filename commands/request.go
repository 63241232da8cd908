package commands

import (
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
)

// request is what somebody said about the failover they want. Zero values were not
// said.
type request struct {
	kind     incident.RunKind // empty: a failover
	target   string
	mode     string
	severity string
	reason   string
	began    time.Time
	// backup is what a restore is made from; empty: the schedule of the settings.
	backup string
	// detach: the database of the target leaves the global one.
	detach bool
	// anyway: begin although the record says that the target took over and nobody
	// can tell which Region serves.
	anyway bool
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
	if w.detach {
		words = append(words, detached)
	}
	if w.anyway {
		words = append(words, anyway)
	}
	if !w.began.IsZero() {
		words = append(words, "since", w.began.UTC().Format("2006-01-02 15:04"), "UTC")
	}
	words = append(words, w.reason)
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

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
	if v := text.Fold(value("mode")); v != "" {
		if w.mode = v; v != planned && v != unplanned {
			errs["mode"] = text.Format("planned or unplanned.")
		}
	}
	if v := value("severity"); v != "" {
		if w.severity = severity(text.Fold(v)); w.severity == "" {
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

// typedRequest reads REGION, the mode and the severity in any order, and detach behind one
// of them; the first word that is none of them begins the reason. The first word of all has
// to be one of them: a Region with a typing error must not become a reason.
func (c *Commands) typedRequest(words string) (request, error) {
	var w request
	for first := true; words != ""; first = false {
		word, rest := cut(words)
		low := text.Fold(strings.Trim(word, ","))
		region := c.region(low)
		switch {
		case region != "" && w.target != "" && region != w.target && (w.mode != "" || c.tells(rest)):
			w.reason = words // "us-west-2 us-east-1 does not answer"
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
		case low == detached && !first:
			w.detach = true
		case low == anyway && !first:
			w.anyway = true
		case low == "since" && rest != "":
			at, after, some, fault := moment(rest, c.Clock.Now())
			switch {
			case !some: // "since the deploy nobody can pay"
				w.reason = words
				return w, c.shortReason(w)
			case !fault.Empty():
				return w, refuse("When it began is not understood: %v Nothing was begun.", fault)
			}
			w.began, rest = at, after
		case first || (w.target == "" && regionLike.MatchString(low)):
			if meant := text.Nearest(low, []string{planned, unplanned}); meant != "" {
				return w, refuse("%v is not a mode. Did you mean {start %s %s}?", typed(word), c.standby(""), meant)
			}
			return w, c.unknownRegion(word, "start")
		default:
			if meant := text.Nearest(low, []string{planned, unplanned}); meant != "" && w.mode == "" {
				return w, refuse("%v is not a mode. Did you mean {start %s %s %s}?", typed(word), nonempty(w.target, c.standby("")), meant, repeated(rest))
			}
			w.reason = words
			return w, c.shortReason(w)
		}
		words = rest
	}
	return w, nil
}

// tells says that what follows a Region goes on like a sentence, and is no mode, no
// severity and no further Region.
func (c *Commands) tells(rest string) bool {
	word, _ := cut(rest)
	word = text.Fold(strings.Trim(word, ","))
	return word != "" && c.region(word) == "" && !severityLike.MatchString(word) && text.Nearest(word, []string{planned, unplanned}) == ""
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

func nonempty(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
