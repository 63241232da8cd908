package settings

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
)

var (
	externalID = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
	roleARN    = regexp.MustCompile(`^arn:(aws[a-z-]*):iam::[0-9]{12}:role/[\w+=,.@/-]+$`)
	regionName = regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+)+-[0-9]+$`)
	personID   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	slackUser  = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
	slackGroup = regexp.MustCompile(`^S[A-Z0-9]{2,}$`)
	slackAny   = regexp.MustCompile(`^[UWSCG][A-Z0-9]{2,}$`)
	pagerID    = regexp.MustCompile(`^[A-Z0-9]{4,20}$`)
	slackRoom  = regexp.MustCompile(`^[CG][A-Z0-9]{2,}$`)
	roleNames  = []string{"commander", "approver", "responder"}
)

// check finds what is wrong although each value by itself can be read.
func (s *Settings) check(r *strict.Report, dir string) {
	s.checkSlack(r)
	s.checkPeople(r)
	s.checkRegions(r)
	s.checkServices(r)
	s.checkPolicy(r)
	s.checkClusters(r)
	for _, from := range slices.Sorted(maps.Keys(s.Dial)) {
		r.HostPort("dial."+from, from)
		r.HostPort("dial."+from, s.Dial[from])
	}
	if r.Given("update_every") && s.UpdateEvery < time.Minute {
		r.Fault("update_every", `"update_every" has to be at least 1m, not %s`, s.UpdateEvery)
	}
	if s.CheckEvery != 0 && s.CheckEvery < time.Minute {
		r.Fault("check_every", `"check_every" has to be at least 1m, or 0s for never, not %s`, s.CheckEvery)
	}
	d := s.Detection
	for key, n := range map[string]int{"views": d.Views, "observations": d.Observations} {
		if at := "detection." + key; n != 0 && n < 2 || n == 0 && r.Given(at) {
			r.Fault(at, `%q has to be at least 2, not %d: one alone may err`, key, n)
		}
	}
	if r.Given("detection.cool_down") && d.CoolDown < time.Minute {
		r.Fault("detection.cool_down", `"cool_down" has to be at least 1m, not %s`, d.CoolDown)
	}
	for i, at := range d.Control {
		r.HostPort(fmt.Sprintf("detection.control[%d]", i), at)
	}
	if u := s.PagerDuty.URL; u != "" {
		r.Origin("pagerduty.url", u)
	}
	if u := s.PagerDuty.APIURL; u != "" {
		r.Origin("pagerduty.api_url", u)
	}
	for _, one := range [][2]string{{"service", s.PagerDuty.Service}, {"test_service", s.PagerDuty.TestService}} {
		if key, id := one[0], one[1]; id != "" && !pagerID.MatchString(id) {
			r.Fault("pagerduty."+key, `%q wants the id of a service such as PABC123 (at the end of its address), not %q`, key, id)
		}
	}
	if id := s.PagerDuty.TestService; id != "" && id == s.PagerDuty.Service {
		r.Fault("pagerduty.test_service", `"test_service" is the service that is paged: a test would wake whoever is on call; name another one`)
	}
	if t := s.Templates; t != "" {
		if !filepath.IsAbs(t) {
			t = filepath.Join(dir, t)
		}
		if info, err := os.Stat(t); err != nil || !info.IsDir() {
			r.Fault("templates", "there is no folder %s", t)
		}
	}
}

func (s *Settings) checkSlack(r *strict.Report) {
	if s := s.Slack.Channel; s != "" && !slackRoom.MatchString(s) {
		r.Fault("slack.channel", `"channel" wants a channel's id such as C0123456789 (at the end of the channel's details), not %q: names can change`, s)
	}
	if s := s.Slack.Command; s != "" && (!strings.HasPrefix(s, "/") || len(s) < 2 || strings.ContainsAny(s, " \t") || s != strings.ToLower(s)) {
		r.Fault("slack.command", `"command" has to be a slash and a word in small letters, such as /failover, not %q`, s)
	}
	if g := s.Slack.OnCallGroup; g != "" && !slackGroup.MatchString(g) {
		r.Fault("slack.on_call_group", `"on_call_group" wants the id of a user group such as S0123456789 (Copy group ID), not %q: handles can change`, g)
	}
	if g := s.Slack.Support; g != "" && !slackAny.MatchString(g) {
		r.Fault("slack.support", `"support" wants the id of a person (U...), of a user group (S...) or of a channel (C...), not %q`, g)
	}
	for _, region := range slices.Sorted(maps.Keys(s.AWS.Roles)) {
		role, at := s.AWS.Roles[region], "aws.roles."+region
		switch a := roleARN.FindStringSubmatch(role.ARN); {
		case !regionName.MatchString(region):
			r.Fault(at, "%q is not the name of an AWS Region, such as us-east-1", region)
		case role.ARN == "": // that it is missing is said
		case a == nil:
			r.Fault(at+".arn", `"arn" has to look like arn:%s:iam::123456789012:role/failoverbot, not %q`, strict.Partition(region), role.ARN)
		case a[1] != strict.Partition(region):
			r.Fault(at+".arn", `"arn" is an ARN of partition %s, but %s lies in %s: a role of one is of no use in another`, a[1], region, strict.Partition(region))
		}
		if id := role.ExternalID; id != "" && (len(id) < 2 || len(id) > 1224 || !externalID.MatchString(id)) {
			r.Fault(at+".external_id", `"external_id" is 2 to 1224 letters, digits and any of =,.@:/-, not %q`, id)
		}
	}
	if s.Redis.Region != "" && !regionName.MatchString(s.Redis.Region) {
		r.Fault("redis.region", "%q is not the name of an AWS Region, such as us-east-1", s.Redis.Region)
	}
	if strings.ContainsAny(s.Redis.Prefix, "{} \t\n") {
		r.Fault("redis.prefix", `"prefix" cannot contain spaces or braces: Redis Cluster gives braces a meaning`)
	}
}

func (s *Settings) checkPeople(r *strict.Report) {
	var commanders, approvers []Person
	for i, p := range s.People {
		at := fmt.Sprintf("people[%d]", i)
		if p.Slack != "" && !slackUser.MatchString(p.Slack) {
			r.Fault(at+".slack", `"slack" wants a Slack user id such as U0123456789 (profile, More, Copy member ID), not %q`, p.Slack)
		}
		if p.PagerDuty != "" && !pagerID.MatchString(p.PagerDuty) {
			r.Fault(at+".pagerduty", `"pagerduty" wants a user's id such as PABC123 (at the end of the profile's address), not %q`, p.PagerDuty)
		}
		if p.ID != "" && !personID.MatchString(p.ID) {
			r.Fault(at+".id", `"id" wants small letters, digits and single hyphens, such as alice, not %q`, p.ID)
		}
		if len(p.Roles) == 0 {
			r.Fault(at+".roles", `%s has no role; it may be %s`, cmp.Or(p.Name, at), strings.Join(roleNames, ", "))
		}
		for j, role := range p.Roles {
			if !slices.Contains(roleNames, role) {
				r.Fault(fmt.Sprintf("%s.roles[%d]", at, j), "unknown role %q%s", role, strict.DidYouMean(role, roleNames))
			}
		}
		if slices.Contains(p.Roles, "commander") {
			commanders = append(commanders, p)
		}
		if slices.Contains(p.Roles, "approver") {
			approvers = append(approvers, p)
		}
	}
	for _, f := range s.Roster().Faults() {
		r.Fault(fmt.Sprintf("people[%d].%s", f.Second, f.Field), "%s", f.Text)
	}
	if !r.Given("people") {
		return // said already
	}
	if len(commanders) == 0 {
		r.Fault("people", `nobody has the role "commander": at least one person has to`)
	}
	if len(approvers) == 0 {
		r.Fault("people", `nobody has the role "approver": at least one person has to, besides the commander`)
		return
	}
	for _, p := range commanders {
		if len(approvers) == 1 && approvers[0].ID == p.ID {
			r.Fault("people", `nobody could approve what %s asks for: give the role "approver" to somebody else as well`, p.Name)
		}
	}
}

func (s *Settings) checkRegions(r *strict.Report) {
	p := s.Platform
	names := slices.Sorted(maps.Keys(p.Regions))
	if len(names) != 2 && r.Given("platform.regions") {
		r.Fault("platform.regions", `"regions" has to name two Regions, not %d`, len(names))
	}
	if _, ok := p.Regions[p.Home]; !ok && p.Home != "" && len(names) > 0 {
		r.Fault("platform.home", `"home" is %q, which is none of the Regions%s`, p.Home, strict.DidYouMean(p.Home, names))
	}
	if strings.HasSuffix(p.Record, ".") || strings.Contains(p.Record, "/") {
		r.Fault("platform.record", `"record" wants the bare name, without a dot at its end or a scheme: %s`, strings.Trim(strings.TrimPrefix(strings.TrimPrefix(p.Record, "https://"), "http://"), "./"))
	}
	endpoints := map[string]string{}
	for _, name := range names {
		region, at := p.Regions[name], "platform.regions."+name
		if !regionName.MatchString(name) {
			r.Fault(at, "%q is not the name of an AWS Region, such as us-east-1", name)
		}
		if host := r.Origin(at+".endpoint", region.Endpoint); host != "" && strings.EqualFold(host, p.Record) {
			r.Fault(at+".endpoint", `"endpoint" is the public name %s: it has to be this Region's own address, whatever DNS says`, host)
		}
		endpoints[name] = region.Endpoint
	}
	runbook.Checks{Report: r.Below("platform"), Topology: p}.Unique("endpoint", endpoints)
	if len(names) == 2 && strict.Partition(names[0]) != strict.Partition(names[1]) {
		r.Fault("platform.regions", `"regions" lie in two partitions of AWS, %s in %s and %s in %s: no database, cache or health check reaches from one into the other`,
			names[0], strict.Partition(names[0]), names[1], strict.Partition(names[1]))
	}
}

func (s *Settings) checkServices(r *strict.Report) {
	if len(s.Platform.Services) == 0 && r.Given("platform.services") {
		r.Fault("platform.services", `"services" names none: there would be nothing to scale`)
	}
	seen := map[string]bool{}
	for i, s := range s.Platform.Services {
		at := fmt.Sprintf("platform.services[%d]", i)
		if seen[s.Name] && s.Name != "" {
			r.Fault(at+".name", "service %q is there twice", s.Name)
		}
		seen[s.Name] = true
		r.Least(at+".replicas", s.Replicas, 1)
		r.Least(at+".standby", s.Standby, 0)
		if s.Standby > s.Replicas && s.Replicas > 0 {
			r.Fault(at+".standby", "%s has %d replicas in a standby, more than the %d that it has where it serves", s.Name, s.Standby, s.Replicas)
		}
		if s.Health != "" {
			r.Rooted(at+".health", s.Health)
		}
	}
}

func (s *Settings) checkPolicy(r *strict.Report) {
	p := s.Platform.Policy
	const at = "platform.policy"
	r.Least(at+".lag_warn_ms", p.LagWarnMS, 1)
	r.Least(at+".objective_minutes", p.ObjectiveMinutes, 1)
	if p.LagConfirmMS < p.LagWarnMS && r.Given(at+".lag_confirm_ms") {
		r.Fault(at+".lag_confirm_ms", `"lag_confirm_ms" (%d) is below "lag_warn_ms" (%d)`, p.LagConfirmMS, p.LagWarnMS)
	}
	for i, b := range p.LagBandsMS {
		if b < 1 || i > 0 && b <= p.LagBandsMS[i-1] {
			r.Fault(fmt.Sprintf("%s.lag_bands_ms[%d]", at, i), `"lag_bands_ms" has to rise from one to the next, from above 0`)
		}
	}
	undecided := slices.ContainsFunc(r.Unfilled(), func(path string) bool { return section(path) == "pagerduty" })
	if p.Page && !s.PagerDuty.Enabled && !undecided {
		r.Fault(at+".page", `"page" is true and nobody can be paged: set pagerduty.enabled to true as well, or "page" to false`)
	}
}

func (s *Settings) checkClusters(r *strict.Report) {
	for _, name := range slices.Sorted(maps.Keys(s.Kubernetes)) {
		at := "kubernetes." + name
		if _, ok := s.Platform.Regions[name]; !ok && len(s.Platform.Regions) > 0 {
			r.Fault(at, "%q is none of the platform's Regions%s", name, strict.DidYouMean(name, slices.Sorted(maps.Keys(s.Platform.Regions))))
		}
		for _, f := range s.Kubernetes[name].Faults() {
			_, key, _ := strings.Cut(f, `"`)
			key, _, _ = strings.Cut(key, `"`)
			part := at + ".eks." + key
			if r.Given(at+".eks") && !r.Given(part) && slices.Contains([]string{"cluster", "endpoint", "ca"}, key) {
				continue // said already
			}
			r.Fault(part, "%s", f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Platform.Regions)) {
		if _, ok := s.Kubernetes[name]; !ok && r.Given("kubernetes") {
			r.Fault("kubernetes", `"kubernetes" does not say how the cluster of %s is reached`, name)
		}
	}
}
