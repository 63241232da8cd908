package slack

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/text"
	"github.com/failoverbot/failoverbot/incident/view"
)

// impact says what users get and for how long, in the one sentence that every message
// has. at writes a moment: to the second on the card, in UTC on an update.
func (v incidentView) impact(at func(time.Time) string) string {
	i := v.Impact()
	var parts []string
	lasts := text.Duration(i.For(v.Now))
	if i.Began.IsZero() && i.Known() {
		lasts = "at least " + lasts
	}
	switch {
	case !i.Known() && v.Kind.Apart():
		return "none meant: users stay where they are"
	case !i.Known() && v.Users() != nil:
		if v.Users().Verdict == incident.Pass {
			return "none seen: users are served"
		}
		return "none seen: " + lineOf(v.Users().Summary, 200)
	case !i.Known():
		return "not known since when; `/failover impact since 13:58` sets it"
	case !i.End.IsZero() && !i.Hurt:
		parts = append(parts, lasts)
	case !i.End.IsZero():
		parts = append(parts, lasts, "not over for everybody")
	case i.Began.IsZero():
		parts = append(parts, lasts)
	default:
		parts = append(parts, "so far "+lasts)
	}
	if i.Stopped() && v.ResolvedAt.IsZero() {
		parts = append(parts, "orders stopped by us since "+at(i.ByUs))
	}
	if i.Hurt && v.ResolvedAt.IsZero() && i.Failing > 0 {
		parts = append(parts, view.Percent(i.Failing)+" of requests fail")
	}
	return strings.Join(parts, " · ")
}

// points are the open points as messages name them. Resolvers that do not follow are one.
func (v incidentView) points() []string {
	var out, stale []string
	for _, p := range v.Points() {
		if p.Resolver != "" {
			stale = append(stale, lineOf(p.Resolver, 100))
			continue
		}
		out = append(out, lineOf(p.Title, 200))
	}
	switch len(stale) {
	case 0:
		return out
	case 1:
		return slices.Insert(out, 0, stale[0]+" still sends users to "+lineOf(v.Source, 40))
	}
	return slices.Insert(out, 0, text.List(stale, "and")+" still send users to "+lineOf(v.Source, 40))
}

// goneBack tells that users are sent back to the Region that was left; ok is false if
// they are not. Each time it begins it is said in a post of its own.
func (f *follower) goneBack(v incidentView) (p post, ok bool) {
	who := v.GoneBack()
	if len(who) == 0 {
		return post{}, false
	}
	since := v.GoneBackSince()
	key := keyGoneBack + strconv.FormatInt(since.Unix(), 10)
	share := ""
	if i := v.Impact(); i.Failing > 0 {
		share = view.Percent(i.Failing)
	}
	return post{key: key, m: f.b.noticeMessage(v, key, "notice", "gone-back", map[string]any{
		"Source": lineOf(v.Source, 40), "Target": lineOf(v.Target, 40), "Who": lineOf(text.List(who, "and"), 200),
		"Since": clockTime(since), "Share": share, "Tell": strings.Join(v.named(incident.RoleCommander), " "),
	})}, true
}
