package secrets

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/text"
)

// shown is how many of a kind a sentence tells, and kept how many secrets the evidence
// does.
const shown, kept = 5, 40

// finding is what the secrets of a run's Regions come to.
type finding struct {
	now            time.Time
	target, source string
	planned        bool
	unread         error // why what the source has is not known

	names       []string
	here, there map[string]secret
	// wrong are those with which the target would not do, warn those that deserve a
	// second look; each is a sentence.
	wrong, warn []string
	// hanging are replicas of the source, which was not asked.
	hanging int
	newest  time.Time // change of these
}

// none is the outcome where the settings name no secrets.
func (f *finding) none() engine.Outcome {
	return engine.Outcome{
		Summary:  "not applicable: the settings name no secrets (platform.secrets.names)",
		Measured: incident.Measured{Verdict: incident.NotApplicable, AsOf: f.now},
	}
}

// unfit finds the beginnings of names with which none begins.
func (f *finding) unfit(prefixes []string) {
	for _, prefix := range prefixes {
		if !slices.ContainsFunc(f.names, func(name string) bool { return strings.HasPrefix(name, prefix) }) {
			f.wrong = append(f.wrong, fmt.Sprintf("there is none whose name begins with %s", prefix))
		}
	}
}

// answer is the outcome of all that was found.
func (f *finding) answer() (engine.Outcome, bool, error) {
	o := engine.Outcome{Evidence: map[string]string{"region": f.target, "secrets": fmt.Sprint(len(f.names))}}
	for _, name := range f.names {
		wrong, warn := f.judge(f.here[name], f.there[name])
		if wrong != "" {
			f.wrong = append(f.wrong, name+" "+wrong)
		}
		if warn != "" {
			f.warn = append(f.warn, name+" "+warn)
		}
		if wrong != "" || warn != "" || len(o.Evidence) < kept {
			o.Evidence[name] = f.told(name)
		}
	}
	limit := 0.0
	o.Measured = incident.Measured{Verdict: incident.Pass, AsOf: f.now, Figures: []incident.Figure{
		{Name: "secrets that would not do in the target", Value: float64(len(f.wrong)), Unit: "secrets", Limit: &limit},
	}}
	switch {
	case len(f.wrong) > 0:
		o.Measured.Verdict = incident.Fail
		o.Summary = fmt.Sprintf("services in %s would not have the secrets that they have in %s: %s", f.target, f.source, text.Some(f.wrong, shown))
		return o, false, nil
	case f.planned && f.unread != nil:
		o.Measured.Verdict = incident.Unsure
		return o, false, fmt.Errorf("%s %s in %s, and whether they are in sync is unknown: %w", text.Count(len(f.names), "secret"), text.Are(len(f.names)), f.target, f.unread)
	case f.planned:
		o.Evidence["source"] = "compared with " + f.source
		o.Summary = fmt.Sprintf("%s %s in %s, in sync and with the current version of %s", text.Count(len(f.names), "secret"), text.Are(len(f.names)), f.target, f.source)
	default:
		o.Evidence["source"] = "not asked in an unplanned run"
		o.Summary = fmt.Sprintf("%s %s in %s and can be read there", text.Count(len(f.names), "secret"), text.Are(len(f.names)), f.target)
	}
	if f.hanging > 0 {
		f.warn = append(f.warn, fmt.Sprintf("whether %s had newer versions was not asked, for it is being left: the newest change here is of %s", f.source, text.ToDay.UTC(f.newest)))
	}
	if len(f.warn) > 0 {
		o.Measured.Verdict = incident.Warn
		o.Summary += "; " + text.Some(f.warn, shown)
	}
	return o, true, nil
}

// judge is why a secret would not do in the target, or why it deserves a second look, as
// the end of a sentence; empty if there is nothing.
func (f *finding) judge(here, there secret) (wrong, warn string) {
	switch {
	case here.missing:
		return "is not in " + f.target, ""
	case !here.deleted.IsZero():
		return fmt.Sprintf("in %s is marked for deletion since %s, and nobody can read it", f.target, text.ToDay.UTC(here.deleted)), ""
	case here.version == "":
		return fmt.Sprintf("has no version in %s that is %s", f.target, current), ""
	case !f.planned && here.primary == f.source:
		f.hanging++
		if here.changed.After(f.newest) {
			f.newest = here.changed
		}
		return "", ""
	case !f.planned || f.unread != nil:
		return "", ""
	case there.missing:
		return "", fmt.Sprintf("is not in %s, so there is nothing to compare it with", f.source)
	case here.primary == f.source:
		if why := syncing(there.replicas, f.target); why != "" {
			return fmt.Sprintf("is replicated from %s and %s", f.source, why), ""
		}
	case here.primary == "" && there.primary == f.target:
		// What is left has the replica, and the target the secret itself: it has the newest.
		if why := syncing(here.replicas, f.source); why != "" {
			return "", fmt.Sprintf("is replicated to %s and %s there", f.source, why)
		}
		return "", ""
	case here.primary == "":
		return fmt.Sprintf("is not replicated: it is a secret of its own in %s and in %s", f.target, f.source), ""
	default:
		warn = fmt.Sprintf("is a replica of %s, which was not asked whether it is in sync", here.primary)
	}
	if here.version != there.version {
		return fmt.Sprintf("has the version %s in %s and %s in %s", here.version, f.target, orNone(there.version), f.source), ""
	}
	return "", warn
}

// syncing is why a replica is not in sync, as the end of a sentence; empty if it is.
func syncing(replicas map[string]types.ReplicationStatusType, region string) string {
	r, there := replicas[region]
	switch {
	case !there:
		return "is no longer replicated to " + region
	case r.Status == types.StatusTypeInSync:
		return ""
	case r.Status == "":
		return "has no status there"
	case aws.ToString(r.StatusMessage) != "":
		return fmt.Sprintf("is %s (%s)", r.Status, aws.ToString(r.StatusMessage))
	}
	return "is " + string(r.Status)
}

// told is what was seen of a secret.
func (f *finding) told(name string) string {
	here := f.here[name]
	if here.missing {
		return "missing"
	}
	out := "version " + orNone(here.version)
	if here.primary != "" {
		out += ", replica of " + here.primary
	}
	there, read := f.there[name]
	if read {
		out += fmt.Sprintf("; %s has %s", f.source, orNone(there.version))
		if r, ok := there.replicas[f.target]; ok {
			out += ", " + string(r.Status)
		}
	}
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
