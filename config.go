package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/commands"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers/live"
)

// Config is everything that can be set, read once from one YAML file. What is
// secret comes from the environment and from nowhere else. A key without
// omitempty has to be given.
type Config struct {
	// Slack is where people talk to the bot.
	Slack SlackConfig `yaml:"slack"`
	// Redis keeps the record.
	Redis RedisConfig `yaml:"redis,omitempty"`
	// AllowVolatile starts on a Redis without an append-only file, whose record is
	// gone when it stops. Default and zero: refuse.
	AllowVolatile bool `yaml:"allow_volatile,omitempty"`
	// People who may do anything. There has to be a commander, and for each
	// commander an approver who is somebody else.
	People []PersonConfig `yaml:"people"`
	// Platform is what is failed over.
	Platform runbook.Topology `yaml:"platform"`
	// Kubernetes says how the cluster of each of the platform's Regions is reached.
	Kubernetes map[string]live.Cluster `yaml:"kubernetes"`
	// AWS says whose credentials are used.
	AWS AWSConfig `yaml:"aws,omitempty"`
	// PagerDuty pages the people on call.
	PagerDuty PagerDutyConfig `yaml:"pagerduty,omitempty"`
	// Dial connects elsewhere than asked: host:port -> host:port, for probes, AWS,
	// Kubernetes, DNS and PagerDuty. Names, TLS and Host headers stay. Default and
	// empty: nothing is diverted.
	Dial map[string]string `yaml:"dial,omitempty"`
	// InVPC says that the bot runs inside a VPC, so that resolvers marked vpc_only
	// are asked too. Default and zero: they are left out, and that is said.
	InVPC bool `yaml:"in_vpc,omitempty"`
	// Templates is a folder that takes the place of the built-in runbook, messages
	// and review; relative to this file. Default and empty: the built-in ones.
	Templates string `yaml:"templates,omitempty"`
	// UpdateEvery is how long after one internal update the next is due at the
	// latest. Default and zero: 15m. At least 1m.
	UpdateEvery time.Duration `yaml:"update_every,omitempty"`

	// Secrets come from the environment.
	Secrets Secrets `yaml:"-"`
}

// SlackConfig is where people talk to the bot.
type SlackConfig struct {
	// Channel of the incidents: its id, C0123456789.
	Channel string `yaml:"channel"`
	// Command that the app was given. Default and empty: /failover.
	Command string `yaml:"command,omitempty"`
}

// RedisConfig says how the record is kept; its address is REDIS_URL.
type RedisConfig struct {
	// Prefix of all keys, for a Redis that is shared. Default and empty: fb.
	Prefix string `yaml:"prefix,omitempty"`
}

// PersonConfig is somebody of the roster.
type PersonConfig struct {
	// Slack is the person's Slack user id: U0123456789.
	Slack string `yaml:"slack"`
	// Name as the messages and the record show it.
	Name string `yaml:"name"`
	// Roles: commander, approver, responder.
	Roles []string `yaml:"roles"`
	// BreakGlass may approve alone once a question has run out unanswered. Default
	// and zero: may not.
	BreakGlass bool `yaml:"break_glass,omitempty"`
}

// AWSConfig says whose credentials are used.
type AWSConfig struct {
	// Profile of the shared AWS files. Default and empty: the SDK's own chain.
	Profile string `yaml:"profile,omitempty"`
}

// PagerDutyConfig pages the people on call.
type PagerDutyConfig struct {
	// Enabled sends events; PAGERDUTY_ROUTING_KEY has to be set. Default and zero:
	// nobody is paged.
	Enabled bool `yaml:"enabled,omitempty"`
	// URL of the Events API, scheme and host. Default and empty: PagerDuty's own.
	URL string `yaml:"url,omitempty"`
}

// Secrets are taken from the environment variables named here.
type Secrets struct {
	// SlackBotToken, SLACK_BOT_TOKEN, begins with xoxb-.
	SlackBotToken string
	// SlackAppToken, SLACK_APP_TOKEN, begins with xapp-.
	SlackAppToken string
	// SlackAPIURL, SLACK_API_URL, points elsewhere than at Slack; ends with a slash.
	// Empty: Slack.
	SlackAPIURL string
	// RedisURL, REDIS_URL: redis://, rediss:// or unix://, with its password.
	RedisURL string
	// PagerDutyKey, PAGERDUTY_ROUTING_KEY. Empty: nobody can be paged.
	PagerDutyKey string
	// OrderToken, SYNTHETIC_TEST_TOKEN, is sent with synthetic orders. Empty: they
	// are sent without.
	OrderToken string
}

// The defaults of what may be left out.
const (
	defaultCommand     = "/failover"
	defaultPrefix      = "fb"
	defaultUpdateEvery = 15 * time.Minute
)

// Roster is the people as the commands know them.
func (c *Config) Roster() []commands.Person {
	out := make([]commands.Person, len(c.People))
	for i, p := range c.People {
		out[i] = commands.Person{ID: p.Slack, Name: p.Name, Roles: p.Roles, BreakGlass: p.BreakGlass}
	}
	return out
}

// LoadConfig reads the settings file and, through env, the secrets. needed names
// the environment variables that the caller cannot do without. Its error is a
// [runbook.Faults] with all that is wrong at once, each with its place, or says
// why the file cannot be opened. No secret appears in it.
func LoadConfig(path string, env func(string) string, needed ...string) (*Config, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no settings file %s; deploy/config.example.yaml shows one", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	r := &settings{file: path, places: map[string]*yaml.Node{}, strange: map[*yaml.Node]bool{}}
	c := &Config{}
	r.parse(data, reflect.ValueOf(c).Elem())
	for name, region := range c.Platform.Regions {
		region.Name = name
		c.Platform.Regions[name] = region
	}
	if len(r.faults) == 0 || r.read {
		c.check(r)
	}
	c.Secrets = readSecrets(r, env)
	c.needs(r, env, needed)
	c.settle(filepath.Dir(path))
	if len(r.faults) > 0 {
		slices.SortStableFunc(r.faults, func(a, b runbook.Fault) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, slices.Compact(r.faults)
	}
	return c, nil
}

// settle fills in the defaults.
func (c *Config) settle(dir string) {
	c.Slack.Command = cmp.Or(c.Slack.Command, defaultCommand)
	c.Redis.Prefix = cmp.Or(c.Redis.Prefix, defaultPrefix)
	c.UpdateEvery = cmp.Or(c.UpdateEvery, defaultUpdateEvery)
	under := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	c.Templates = under(c.Templates)
	for region, k := range c.Kubernetes {
		k.Kubeconfig = under(k.Kubeconfig)
		c.Kubernetes[region] = k
	}
}

// environment is what faults of variables give as their file.
const environment = "environment"

func readSecrets(r *settings, env func(string) string) Secrets {
	get := func(name string) string { return strings.TrimSpace(env(name)) }
	s := Secrets{
		SlackBotToken: get("SLACK_BOT_TOKEN"), SlackAppToken: get("SLACK_APP_TOKEN"), SlackAPIURL: get("SLACK_API_URL"),
		RedisURL: get("REDIS_URL"), PagerDutyKey: get("PAGERDUTY_ROUTING_KEY"), OrderToken: get("SYNTHETIC_TEST_TOKEN"),
	}
	bad := func(format string, args ...any) {
		r.faults = append(r.faults, runbook.Fault{File: environment, Text: fmt.Sprintf(format, args...)})
	}
	bot, app := s.SlackBotToken, s.SlackAppToken
	switch {
	case strings.HasPrefix(bot, "xapp-") && strings.HasPrefix(app, "xoxb-"):
		bad("SLACK_BOT_TOKEN and SLACK_APP_TOKEN are swapped: the bot token begins with xoxb-, the app token with xapp-")
	default:
		if bot != "" && !strings.HasPrefix(bot, "xoxb-") {
			bad("SLACK_BOT_TOKEN is not a bot token%s: it has to begin with xoxb-; copy it from the app's page, OAuth & Permissions", looksLike(bot))
		}
		if app != "" && !strings.HasPrefix(app, "xapp-") {
			bad("SLACK_APP_TOKEN is not an app-level token%s: it has to begin with xapp-; copy it from the app's page, Basic Information", looksLike(app))
		}
	}
	if s.SlackAPIURL != "" {
		u, err := url.Parse(s.SlackAPIURL)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
			bad("SLACK_API_URL has to be an http or https address, such as https://slack.com/api/")
		case u.Scheme == "http" && !loopback(u.Hostname()):
			bad("SLACK_API_URL would send the tokens unencrypted to %s: use https, or an address of this machine", u.Host)
		case !strings.HasSuffix(s.SlackAPIURL, "/"):
			s.SlackAPIURL += "/"
		}
	}
	if s.RedisURL != "" {
		// The parser's own error would show the password.
		u, err := url.Parse(s.RedisURL)
		if err != nil || !slices.Contains([]string{"redis", "rediss", "unix"}, u.Scheme) || u.Scheme != "unix" && u.Host == "" {
			bad("REDIS_URL has to look like redis://host:6379, rediss://user:password@host:6379 or unix:///path")
		}
	}
	return s
}

// looksLike says what a token seems to be instead, without showing it.
func looksLike(token string) string {
	for prefix, what := range map[string]string{
		"xoxb-": "a bot token", "xapp-": "an app-level token", "xoxp-": "a user token", "xoxe": "a token for rotation",
		"https://": "an address",
	} {
		if strings.HasPrefix(token, prefix) {
			return " but looks like " + what
		}
	}
	return ""
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

var whatFor = map[string]string{
	"SLACK_BOT_TOKEN":       "the app's bot token, xoxb-...",
	"SLACK_APP_TOKEN":       "the app's token for Socket Mode, xapp-...",
	"REDIS_URL":             "where the record is kept, redis://host:6379",
	"PAGERDUTY_ROUTING_KEY": "the integration key of the service to page",
	"SYNTHETIC_TEST_TOKEN":  "the token of synthetic orders",
}

func (c *Config) needs(r *settings, env func(string) string, needed []string) {
	if c.PagerDuty.Enabled && len(needed) > 0 && !slices.Contains(needed, "PAGERDUTY_ROUTING_KEY") {
		needed = append(slices.Clone(needed), "PAGERDUTY_ROUTING_KEY")
	}
	for _, name := range needed {
		if strings.TrimSpace(env(name)) == "" {
			text := name + " is not set"
			if what := whatFor[name]; what != "" {
				text += ": " + what
			}
			r.faults = append(r.faults, runbook.Fault{File: environment, Text: text})
		}
	}
}

var (
	regionName = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]+$`)
	slackUser  = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)
	slackRoom  = regexp.MustCompile(`^[CG][A-Z0-9]{2,}$`)
	roleNames  = []string{"commander", "approver", "responder"}
)

// check finds what is wrong although each value by itself can be read.
func (c *Config) check(r *settings) {
	c.checkSlack(r)
	c.checkPeople(r)
	c.checkRegions(r)
	c.checkServices(r)
	c.checkDNS(r)
	c.checkProbe(r)
	c.checkPolicy(r)
	c.checkClusters(r)
	for _, from := range slices.Sorted(maps.Keys(c.Dial)) {
		r.hostPort("dial."+from, from)
		r.hostPort("dial."+from, c.Dial[from])
	}
	if c.UpdateEvery != 0 && c.UpdateEvery < time.Minute {
		r.fault("update_every", `"update_every" has to be at least 1m, not %s`, c.UpdateEvery)
	}
	if u := c.PagerDuty.URL; u != "" {
		r.origin("pagerduty.url", "url", u)
	}
	if t := c.Templates; t != "" {
		if !filepath.IsAbs(t) {
			t = filepath.Join(filepath.Dir(r.file), t)
		}
		if info, err := os.Stat(t); err != nil || !info.IsDir() {
			r.fault("templates", "there is no folder %s", t)
		}
	}
}

func (c *Config) checkSlack(r *settings) {
	if s := c.Slack.Channel; s != "" && !slackRoom.MatchString(s) {
		r.fault("slack.channel", `"channel" wants a channel's id such as C0123456789 (at the end of the channel's details), not %q: names can change`, s)
	}
	if s := c.Slack.Command; s != "" && (!strings.HasPrefix(s, "/") || len(s) < 2 || strings.ContainsAny(s, " \t") || s != strings.ToLower(s)) {
		r.fault("slack.command", `"command" has to be a slash and a word in small letters, such as /failover, not %q`, s)
	}
	if strings.ContainsAny(c.Redis.Prefix, "{} \t\n") {
		r.fault("redis.prefix", `"prefix" cannot contain spaces or braces: Redis Cluster gives braces a meaning`)
	}
}

func (c *Config) checkPeople(r *settings) {
	ids, names := map[string]int{}, map[string]int{}
	var commanders, approvers []PersonConfig
	for i, p := range c.People {
		at := fmt.Sprintf("people[%d]", i)
		if p.Slack != "" && !slackUser.MatchString(p.Slack) {
			r.fault(at+".slack", `"slack" wants a Slack user id such as U0123456789 (profile, More, Copy member ID), not %q`, p.Slack)
		}
		if first, twice := ids[p.Slack]; twice && p.Slack != "" {
			r.fault(at+".slack", "%s is there twice: first as %s", p.Slack, c.People[first].Name)
		}
		if first, twice := names[p.Name]; twice && p.Name != "" {
			r.fault(at+".name", "two people are called %q (the other is %s): the record could not tell them apart", p.Name, c.People[first].Slack)
		}
		ids[p.Slack], names[p.Name] = i, i
		if len(p.Roles) == 0 {
			r.fault(at+".roles", `%s has no role; it may be %s`, cmp.Or(p.Name, at), strings.Join(roleNames, ", "))
		}
		for j, role := range p.Roles {
			if !slices.Contains(roleNames, role) {
				r.fault(fmt.Sprintf("%s.roles[%d]", at, j), "unknown role %q%s", role, didYouMean(role, roleNames))
			}
		}
		if slices.Contains(p.Roles, "commander") {
			commanders = append(commanders, p)
		}
		if slices.Contains(p.Roles, "approver") {
			approvers = append(approvers, p)
		}
	}
	if !r.given("people") {
		return // said already
	}
	if len(commanders) == 0 {
		r.fault("people", `nobody has the role "commander": at least one person has to`)
	}
	if len(approvers) == 0 {
		r.fault("people", `nobody has the role "approver": at least one person has to, besides the commander`)
		return
	}
	for _, p := range commanders {
		if len(approvers) == 1 && approvers[0].Slack == p.Slack {
			r.fault("people", `nobody could approve what %s asks for: give the role "approver" to somebody else as well`, p.Name)
		}
	}
}

func (c *Config) checkRegions(r *settings) {
	p := c.Platform
	names := slices.Sorted(maps.Keys(p.Regions))
	if len(names) != 2 && r.given("platform.regions") {
		r.fault("platform.regions", `"regions" has to name two Regions, not %d`, len(names))
	}
	if _, ok := p.Regions[p.Home]; !ok && p.Home != "" && len(names) > 0 {
		r.fault("platform.home", `"home" is %q, which is none of the Regions%s`, p.Home, didYouMean(p.Home, names))
	}
	seen := map[string]string{}
	unique := func(at, region, what, value string) {
		if value == "" {
			return
		}
		if other, twice := seen[what+value]; twice {
			r.fault(at+"."+what, "%q has the same value in %s and %s: each Region has its own", what, other, region)
		}
		seen[what+value] = region
	}
	accounts := map[string]bool{}
	for _, name := range names {
		region, at := p.Regions[name], "platform.regions."+name
		if !regionName.MatchString(name) {
			r.fault(at, "%q is not the name of an AWS Region, such as us-east-1", name)
		}
		db := r.arn(at+".db_cluster_arn", "db_cluster_arn", region.DBClusterARN, name, "rds", "cluster:")
		if db != nil && region.DBCluster != "" && db.rest != region.DBCluster {
			r.fault(at+".db_cluster_arn", `"db_cluster_arn" is that of %q, but "db_cluster" is %q`, db.rest, region.DBCluster)
		}
		lb := r.arn(at+".load_balancer_arn", "load_balancer_arn", region.LoadBalancerARN, name, "elasticloadbalancing", "loadbalancer/app/")
		for _, a := range []*parsedARN{db, lb} {
			if a != nil {
				accounts[a.account] = true
			}
		}
		if host := r.origin(at+".endpoint", "endpoint", region.Endpoint); host != "" && strings.EqualFold(host, p.DNS.Record) {
			r.fault(at+".endpoint", `"endpoint" is the public name %s: it has to be this Region's own address, whatever DNS says`, host)
		}
		unique(at, name, "endpoint", region.Endpoint)
		unique(at, name, "takeover_bucket", region.TakeoverBucket)
		r.least(at+".min_nodes_per_zone", "min_nodes_per_zone", region.MinNodesPerZone, 1)
		r.least(at+".min_zones", "min_zones", region.MinZones, 1)
	}
	if len(accounts) > 1 {
		r.fault("platform.regions", "the ARNs are of different accounts: %s", strings.Join(slices.Sorted(maps.Keys(accounts)), ", "))
	}
}

func (c *Config) checkServices(r *settings) {
	if len(c.Platform.Services) == 0 && r.given("platform.services") {
		r.fault("platform.services", `"services" names none: there would be nothing to scale`)
	}
	seen := map[string]bool{}
	for i, s := range c.Platform.Services {
		at := fmt.Sprintf("platform.services[%d]", i)
		if seen[s.Name] && s.Name != "" {
			r.fault(at+".name", "service %q is there twice", s.Name)
		}
		seen[s.Name] = true
		r.least(at+".replicas", "replicas", s.Replicas, 1)
		if s.Health != "" {
			r.rooted(at+".health", "health", s.Health)
		}
	}
}

func (c *Config) checkDNS(r *settings) {
	d := c.Platform.DNS
	const at = "platform.dns"
	if strings.HasSuffix(d.Record, ".") || strings.Contains(d.Record, "/") {
		r.fault(at+".record", `"record" wants the bare name, without a dot at its end or a scheme: %s`, strings.Trim(strings.TrimPrefix(strings.TrimPrefix(d.Record, "https://"), "http://"), "./"))
	}
	checks := map[string]string{}
	for _, one := range []struct{ key, id string }{{"health_check", d.HealthCheck}, {"endpoint_check", d.EndpointCheck}, {"takeover_check", d.TakeoverCheck}} {
		if other := checks[one.id]; other != "" && one.id != "" {
			r.fault(at+"."+one.key, "%q and %q are the same check: the record's is calculated from the other two", one.key, other)
		}
		checks[one.id] = one.key
	}
	if strings.HasPrefix(d.TakeoverKey, "/") {
		r.fault(at+".takeover_key", `"takeover_key" is an object's key and has no slash in front`)
	}
	if len(d.Nameservers) == 0 && r.given(at+".nameservers") {
		r.fault(at+".nameservers", `"nameservers" names none of the zone's own servers, and they are what is believed`)
	}
	for i, s := range d.Nameservers {
		r.hostPort(fmt.Sprintf("%s.nameservers[%d]", at, i), s)
	}
	names := map[string]bool{}
	for i, s := range d.Resolvers {
		at := fmt.Sprintf("%s.resolvers[%d]", at, i)
		if names[s.Name] && s.Name != "" {
			r.fault(at+".name", "resolver %q is there twice", s.Name)
		}
		names[s.Name] = true
		r.hostPort(at+".addr", s.Addr)
		if host, _, err := net.SplitHostPort(s.Addr); err == nil && host == "169.254.169.253" && !s.VPCOnly {
			r.fault(at+".addr", "169.254.169.253 answers only inside a VPC: add vpc_only: true")
		}
	}
}

func (c *Config) checkProbe(r *settings) {
	p := c.Platform.Probe
	r.origin("platform.probe.public", "public", p.Public)
	r.rooted("platform.probe.order", "order", p.Order)
}

func (c *Config) checkPolicy(r *settings) {
	p := c.Platform.Policy
	const at = "platform.policy"
	r.least(at+".lag_warn_ms", "lag_warn_ms", p.LagWarnMS, 1)
	r.least(at+".objective_minutes", "objective_minutes", p.ObjectiveMinutes, 1)
	if p.LagConfirmMS < p.LagWarnMS && r.given(at+".lag_confirm_ms") {
		r.fault(at+".lag_confirm_ms", `"lag_confirm_ms" (%d) is below "lag_warn_ms" (%d)`, p.LagConfirmMS, p.LagWarnMS)
	}
	for i, b := range p.LagBandsMS {
		if b < 1 || i > 0 && b <= p.LagBandsMS[i-1] {
			r.fault(fmt.Sprintf("%s.lag_bands_ms[%d]", at, i), `"lag_bands_ms" has to rise from one to the next, from above 0`)
		}
	}
	if p.Page && !c.PagerDuty.Enabled {
		r.fault(at+".page", `"page" is true and nobody can be paged: set pagerduty.enabled to true as well, or "page" to false`)
	}
}

func (c *Config) checkClusters(r *settings) {
	for _, name := range slices.Sorted(maps.Keys(c.Kubernetes)) {
		at := "kubernetes." + name
		if _, ok := c.Platform.Regions[name]; !ok {
			r.fault(at, "%q is none of the platform's Regions%s", name, didYouMean(name, slices.Sorted(maps.Keys(c.Platform.Regions))))
		}
		for _, f := range c.Kubernetes[name].Faults() {
			_, key, _ := strings.Cut(f, `"`)
			key, _, _ = strings.Cut(key, `"`)
			part := at + ".eks." + key
			if r.given(at+".eks") && !r.given(part) && slices.Contains([]string{"cluster", "endpoint", "ca"}, key) {
				continue // said already
			}
			r.fault(part, "%s", f)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Platform.Regions)) {
		if _, ok := c.Kubernetes[name]; !ok && r.given("kubernetes") {
			r.fault("kubernetes", `"kubernetes" does not say how the cluster of %s is reached`, name)
		}
	}
}

// settings reads one YAML file into a struct, strictly, and remembers where each
// value stands. It walks by itself: the library stops at types that read
// themselves, does not tell a missing key from an empty one, and names Go types
// to people who write YAML.
type settings struct {
	file   string
	places map[string]*yaml.Node
	// strange are the nodes that are not what was wanted there.
	strange map[*yaml.Node]bool
	faults  runbook.Faults
	read    bool
}

// fault is about the value at that path, or the nearest one around it that is
// there.
func (r *settings) fault(path, format string, args ...any) {
	r.at(r.place(path), format, args...)
}

func (r *settings) place(path string) *yaml.Node {
	for {
		if n := r.places[path]; n != nil || path == "" {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

func (r *settings) at(n *yaml.Node, format string, args ...any) {
	f := runbook.Fault{File: r.file, Text: fmt.Sprintf(format, args...)}
	if n != nil {
		f.Line, f.Column = n.Line, n.Column
	}
	r.faults = append(r.faults, f)
}

// given says that the file has something at that path that could be read.
func (r *settings) given(path string) bool {
	n := r.places[path]
	return n != nil && !r.strange[n] && (n.Kind != yaml.ScalarNode || strings.TrimSpace(n.Value) != "")
}

// unlike says that the node is not what key wants.
func (r *settings) unlike(n *yaml.Node, format, key string) {
	r.strange[n] = true
	r.at(n, format, key, shown(n))
}

func (r *settings) parse(data []byte, into reflect.Value) {
	var doc yaml.Node
	if err := yaml.Load(data, &doc); err != nil {
		var many *yaml.LoadErrors
		var one *yaml.LoadError
		switch {
		case errors.As(err, &many):
			for _, e := range many.Errors {
				r.at(&yaml.Node{Line: e.Mark.Line, Column: e.Mark.Column}, "not readable as YAML: %s", e.Message)
			}
		case errors.As(err, &one):
			r.at(&yaml.Node{Line: one.Mark.Line, Column: one.Mark.Column}, "not readable as YAML: %s", one.Message)
		default:
			r.at(nil, "not readable as YAML: %v", err)
		}
		return
	}
	if doc.Kind != yaml.DocumentNode || len(doc.Content) != 1 {
		r.at(nil, "the file is empty; deploy/config.example.yaml shows what belongs into it")
		return
	}
	r.read = true
	r.value("", "the file", doc.Content[0], into)
}

// value reads one node. key is how the value is called in faults.
func (r *settings) value(path, key string, n *yaml.Node, out reflect.Value) {
	r.places[path] = n
	if n.Kind == yaml.AliasNode {
		r.strange[n] = true
		r.at(n, "aliases (*%s) are not allowed here: write the value out", n.Value)
		return
	}
	switch {
	case out.Type() == reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
			r.unlike(n, "%s wants a duration like 30s or 15m, not %s", key)
			return
		}
		out.SetInt(int64(d))
	case out.Kind() == reflect.Pointer:
		out.Set(reflect.New(out.Type().Elem()))
		r.value(path, key, n, out.Elem())
	case out.Kind() == reflect.Struct:
		r.structure(path, key, n, out)
	case out.Kind() == reflect.Map:
		r.mapping(path, key, n, out)
	case out.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			r.unlike(n, "%s wants a list, not %s", key)
			return
		}
		list := reflect.MakeSlice(out.Type(), len(n.Content), len(n.Content))
		for i, c := range n.Content {
			r.value(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("item %d of %s", i+1, key), c, list.Index(i))
		}
		out.Set(list)
	default:
		r.scalar(key, n, out)
	}
}

func (r *settings) scalar(key string, n *yaml.Node, out reflect.Value) {
	switch out.Kind() {
	case reflect.Bool:
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" && n.Load(out.Addr().Interface()) == nil {
			return
		}
		r.unlike(n, "%s is true or false, not %s", key)
	case reflect.Int:
		if i, err := strconv.Atoi(n.Value); err == nil && n.ShortTag() == "!!int" {
			out.SetInt(int64(i))
			return
		}
		r.unlike(n, "%s wants a whole number, not %s", key)
	case reflect.String:
		if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" {
			r.unlike(n, "%s wants text, not %s", key)
			return
		}
		out.SetString(n.Value)
	default:
		r.at(n, "%s cannot be set", key)
	}
}

// pairs goes through the keys of a mapping, each once.
func (r *settings) pairs(key string, n *yaml.Node, see func(k, v *yaml.Node)) bool {
	if n.Kind != yaml.MappingNode {
		r.unlike(n, "%s wants keys and values, not %s", key)
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode:
			r.at(k, "a key has to be a word, not %s", shown(k))
		case seen[k.Value]:
			r.at(k, "key %q is there twice", k.Value)
		default:
			seen[k.Value] = true
			see(k, n.Content[i+1])
		}
	}
	return true
}

func (r *settings) structure(path, key string, n *yaml.Node, out reflect.Value) {
	type field struct {
		value    reflect.Value
		optional bool
	}
	known := map[string]field{}
	var order []string
	for f, v := range out.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if name != "-" && name != "" {
			known[name] = field{v, strings.Contains(options, "omitempty")}
			order = append(order, name)
		}
	}
	given := map[string]bool{}
	ok := r.pairs(key, n, func(k, v *yaml.Node) {
		f, ok := known[k.Value]
		if !ok {
			r.at(k, "unknown key %q%s", k.Value, didYouMean(k.Value, order))
			given[nearest(k.Value, order)] = true // one fault for one slip
			return
		}
		given[k.Value] = true
		nothing := v.Kind == yaml.ScalarNode && (v.ShortTag() == "!!null" || f.value.Kind() == reflect.String && strings.TrimSpace(v.Value) == "")
		if !nothing {
			r.value(join(path, k.Value), strconv.Quote(k.Value), v, f.value)
			return
		}
		r.places[join(path, k.Value)] = v
		if !f.optional {
			r.at(v, "%q is empty, and it is needed", k.Value)
		}
	})
	if !ok {
		return
	}
	for _, name := range order {
		if !known[name].optional && !given[name] {
			r.at(n, "%s lacks %q", key, name)
		}
	}
}

func (r *settings) mapping(path, key string, n *yaml.Node, out reflect.Value) {
	m := reflect.MakeMap(out.Type())
	r.pairs(key, n, func(k, v *yaml.Node) {
		one := reflect.New(out.Type().Elem()).Elem()
		r.value(join(path, k.Value), strconv.Quote(k.Value), v, one)
		m.SetMapIndex(reflect.ValueOf(k.Value), one)
	})
	out.Set(m)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// shown names what stands there instead of what was wanted.
func shown(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		return "nothing"
	case len(n.Value) > 40:
		return strconv.Quote(n.Value[:40] + "...")
	}
	return strconv.Quote(n.Value)
}

func (r *settings) least(path, key string, n, least int) {
	if r.given(path) && n < least {
		r.fault(path, "%q has to be at least %d, not %d", key, least, n)
	}
}

// rooted wants a path on a server.
func (r *settings) rooted(path, key, value string) {
	if value != "" && !strings.HasPrefix(value, "/") {
		r.fault(path, "%q wants a path that begins with a slash, not %q", key, value)
	}
}

// origin wants scheme and host and nothing else; it returns the host.
func (r *settings) origin(path, key, value string) string {
	if value == "" {
		return "" // said already
	}
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
		r.fault(path, "%q wants an address of scheme and host only, such as https://us-west-2.api.example.com, not %q", key, value)
		return ""
	}
	return u.Hostname()
}

func (r *settings) hostPort(path, value string) {
	if value == "" {
		return // said already
	}
	host, port, err := net.SplitHostPort(value)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || host == "" || n < 1 || n > 65535 {
		r.fault(path, "%q has to be host:port, such as 192.0.2.1:53", value)
	}
}

type parsedARN struct{ account, rest string }

// arn checks that an ARN is one of that service in that Region, and takes it
// apart; nil when it is not.
func (r *settings) arn(path, key, value, region, service, kind string) *parsedARN {
	if value == "" {
		return nil // said already
	}
	part := strings.SplitN(value, ":", 6)
	switch {
	case len(part) != 6 || part[0] != "arn" || part[4] == "" || !strings.HasPrefix(part[5], kind):
		r.fault(path, "%q has to look like arn:aws:%s:%s:123456789012:%s..., not %q", key, service, region, kind, value)
		return nil
	case part[2] != service:
		r.fault(path, "%q is an ARN of %s, not of %s", key, part[2], service)
		return nil
	case part[3] != region:
		r.fault(path, "%q is an ARN of %s, but stands under %s", key, cmp.Or(part[3], "no Region"), region)
		return nil
	}
	return &parsedARN{part[4], strings.TrimPrefix(part[5], kind)}
}

// didYouMean offers the nearest of the known words, or all of them if they are few.
func didYouMean(word string, known []string) string {
	switch best := nearest(word, known); {
	case best != "":
		return fmt.Sprintf("; did you mean %q?", best)
	case len(known) == 0 || len(known) > 16:
		return ""
	}
	return "; it may be " + strings.Join(known, ", ")
}

// nearest is the known word that is the fewest letters away, or "" when none is near.
func nearest(word string, known []string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		if d := editDistance(strings.ToLower(word), k); d < least {
			best, least = k, d
		}
	}
	return best
}

// editDistance counts insertions, deletions and replacements.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			same := before
			if a[i] != b[j] {
				same++
			}
			before = row[j+1]
			row[j+1] = min(same, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
