// Package settings reads everything that can be set: one YAML file, and the secrets
// that come from the environment and from nowhere else.
//
// It is read once, by the program's main, and checked whole: every fault is
// reported at once, with its line and column. It calls nobody and reads no
// environment but through the function that it is handed.
package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/providers/live"
	"github.com/failoverbot/failoverbot/providers/people"
)

// Settings is everything that can be set, read once from one YAML file. What is
// secret comes from the environment and from nowhere else. A key without
// omitempty has to be given.
type Settings struct {
	// Slack is where people talk to the bot.
	Slack Slack `yaml:"slack"`
	// Redis keeps the record.
	Redis Redis `yaml:"redis,omitempty"`
	// AllowVolatile starts on a Redis without an append-only file, whose record is
	// gone when it stops. Default and zero: refuse.
	AllowVolatile bool `yaml:"allow_volatile,omitempty"`
	// People who may do anything. There has to be a commander, and for each
	// commander an approver who is somebody else.
	People []Person `yaml:"people"`
	// Platform is what is failed over. It stands under platform, where each system
	// that has to know more of it has a key of its own; see [runbook.Part].
	Platform runbook.Topology `yaml:"-"`
	// Kubernetes says how the cluster of each of the platform's Regions is reached.
	Kubernetes map[string]live.Cluster `yaml:"kubernetes"`
	// AWS says whose credentials are used.
	AWS AWS `yaml:"aws,omitempty"`
	// PagerDuty pages the people on call.
	PagerDuty PagerDuty `yaml:"pagerduty,omitempty"`
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
	// CheckEvery is how long after one assessment of the readiness the next is made by
	// itself. Default: 30m. 0s: none is. Otherwise at least 1m.
	CheckEvery time.Duration `yaml:"check_every,omitempty"`

	// Detection is whether the bot watches by itself whether a failover is to be proposed.
	Detection Detection `yaml:"detection,omitempty"`

	// Secrets come from the environment.
	Secrets Secrets `yaml:"-"`
}

// Detection says when a failover is proposed.
type Detection struct {
	// Off: nothing is watched and nothing proposed. Default and zero: it is.
	Off bool `yaml:"off,omitempty"`
	// Views is how many views that have nothing in common have to agree. Default and zero:
	// 2. At least 2.
	Views int `yaml:"views,omitempty"`
	// Observations is how many in a row, ten seconds apart, turn a signal. Default and zero:
	// 3. At least 2.
	Observations int `yaml:"observations,omitempty"`
	// CoolDown is how long nothing is proposed after a proposal was answered or withdrawn.
	// Default and zero: 15m. At least 1m.
	CoolDown time.Duration `yaml:"cool_down,omitempty"`
	// Control are addresses, host:port, that lie in neither Region: while none of them can be
	// connected to, nor either Region, the bot itself is cut off. Default and empty: the
	// resolvers and the name servers of platform.dns.
	Control []string `yaml:"control,omitempty"`
}

// Slack is where people talk to the bot.
type Slack struct {
	// Channel of the incidents: its id, C0123456789.
	Channel string `yaml:"channel"`
	// Command that the app was given. Default and empty: /failover.
	Command string `yaml:"command,omitempty"`
	// OnCallGroup is the id of the user group that the first post of an incident
	// mentions: S0123456789. Default and empty: none is mentioned.
	OnCallGroup string `yaml:"on_call_group,omitempty"`
	// Support is who is told of an incident and asked to say that they are here: the id
	// of a person (U...), of a user group (S...), or of a channel of theirs (C...).
	// Default and empty: nobody.
	Support string `yaml:"support,omitempty"`
}

// Redis says how the record is kept; its address is REDIS_URL.
type Redis struct {
	// Prefix of all keys, for a Redis that is shared. Default and empty: fb.
	Prefix string `yaml:"prefix,omitempty"`
	// Region that Redis lies in, where its address does not tell: a record in the Region
	// that is lost holds up the failover away from it. Empty: what the address tells.
	Region string `yaml:"region,omitempty"`
}

// Person is somebody of the roster.
type Person struct {
	// ID is stable and never given to anybody else: the record names people by it,
	// whatever face they came by. Small letters, digits and hyphens: alice.
	ID string `yaml:"id"`
	// Slack is the person's Slack user id: U0123456789.
	Slack string `yaml:"slack"`
	// PagerDuty is the person's user id there, PABC123: whoever is on call is known by
	// it. Default and empty: they are never on call.
	PagerDuty string `yaml:"pagerduty,omitempty"`
	// Name as the messages and the record show it.
	Name string `yaml:"name"`
	// Roles: commander, approver, responder.
	Roles []string `yaml:"roles"`
	// BreakGlass may approve alone once a question has run out unanswered. Default
	// and zero: may not.
	BreakGlass bool `yaml:"break_glass,omitempty"`
}

// AWS says whose credentials are used.
type AWS struct {
	// Profile of the shared AWS files. Default and empty: the SDK's own chain.
	Profile string `yaml:"profile,omitempty"`
	// Roles are assumed for the calls to a Region, by Region, at that Region's own STS.
	// Default: calls to a Region that is not here are signed with the chain's own
	// credentials.
	Roles map[string]Role `yaml:"roles,omitempty"`
}

// Role is one to assume, perhaps of another account.
type Role struct {
	// ARN of the role.
	ARN string `yaml:"arn"`
	// ExternalID that the role's trust policy asks for. Default and empty: none.
	ExternalID string `yaml:"external_id,omitempty"`
}

// PagerDuty pages the people on call.
type PagerDuty struct {
	// Enabled sends events; PAGERDUTY_ROUTING_KEY has to be set. Default and zero:
	// nobody is paged.
	Enabled bool `yaml:"enabled,omitempty"`
	// URL of the Events API, scheme and host. Default and empty: PagerDuty's own.
	URL string `yaml:"url,omitempty"`
	// Service is the id of the service that is paged, PABC123: by its escalation policy it
	// is known who is on call. PAGERDUTY_API_TOKEN has to be set. Default and empty:
	// nobody can tell.
	Service string `yaml:"service,omitempty"`
	// TestService is the id of another service, PTEST12, to which each failover sends an
	// event that it resolves at once. PAGERDUTY_TEST_ROUTING_KEY has to be set, that
	// service's integration key, and PAGERDUTY_API_TOKEN. Default and empty: nothing is sent.
	TestService string `yaml:"test_service,omitempty"`
	// APIURL of the REST API, scheme and host: https://api.eu.pagerduty.com. Default and
	// empty: PagerDuty's own.
	APIURL string `yaml:"api_url,omitempty"`
}

// The defaults of what may be left out.
const (
	defaultCommand     = "/failover"
	defaultPrefix      = "fb"
	defaultUpdateEvery = 15 * time.Minute
	defaultCheckEvery  = 30 * time.Minute
)

// Roster is the people as the commands know them.
func (s *Settings) Roster() incident.Roster {
	out := make(incident.Roster, len(s.People))
	for i, p := range s.People {
		out[i] = incident.Person{
			ID: p.ID, Name: p.Name, Roles: p.Roles, BreakGlass: p.BreakGlass,
			Faces: map[string]string{incident.FaceSlack: p.Slack},
		}
		if p.PagerDuty != "" {
			out[i].Faces[people.FacePager] = p.PagerDuty
		}
	}
	return out
}

// Load reads the settings file and, through env, the secrets. needed names the
// environment variables that the caller cannot do without. Its error is a
// [strict.Faults] with all that is wrong at once, each with its place, or says why
// the file cannot be opened. No secret appears in it.
//
// parts are what systems have to know of the platform: each is decoded into its own
// struct, checked by it, and kept as data.
func Load(path string, env func(string) string, parts []runbook.Part, needed ...string) (*Settings, error) {
	data, err := strict.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no settings file %s; deploy/config.example.yaml shows one", path)
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	f := file{Platform: platform{Parts: strict.Parts{}}}
	s := &f.Settings
	doc, faults := strict.Parse(path, data, "here")
	if doc.Root != nil {
		if faults, err = f.read(doc, parts); err != nil {
			return nil, err
		}
	}
	s.Secrets, faults = readSecrets(env, faults)
	faults = s.needs(env, needed, faults)
	s.settle(filepath.Dir(path))
	if len(faults) > 0 {
		return nil, faults
	}
	return s, nil
}

// file is the settings file as it is written.
type file struct {
	Settings `yaml:",inline"`
	Platform platform `yaml:"platform"`
}

type platform struct {
	runbook.Topology `yaml:",inline"`
	Parts            strict.Parts `yaml:",inline"`
}

// read decodes the file and lets everybody who knows what its values mean say what
// is wrong with them.
func (f *file) read(doc *strict.Document, parts []runbook.Part) (strict.Faults, error) {
	for _, p := range parts {
		f.Platform.Parts[p.Key] = p.New()
	}
	r := strict.Read(doc, strict.Decoder{Words: wordsOf(parts), Part: section, OneSlip: true}, "the file", f)
	t := f.Platform.Topology
	for name, region := range t.Regions {
		region.Name = name
		t.Regions[name] = region
	}
	for _, p := range parts {
		if err := p.Freeze(&t, f.Platform.Parts[p.Key]); err != nil {
			return nil, err
		}
	}
	f.Settings.Platform = t
	if !r.Given("check_every") { // zero says something else
		f.CheckEvery = defaultCheckEvery
	}
	f.check(r, filepath.Dir(doc.Name))
	for _, p := range parts {
		at := strict.Join("platform", p.Key)
		if c, ok := f.Platform.Parts[p.Key].(runbook.Checker); ok && r.Given(at) {
			c.Check(runbook.Checks{Report: r.Below(at), Topology: t})
		}
	}
	if accounts := r.Accounts(); len(accounts) > 1 {
		r.Fault("platform", "the ARNs are of different accounts: %s", strings.Join(accounts, ", "))
	}
	return r.Faults(), nil
}

// wordsOf are how faults of settings are said.
func wordsOf(parts []runbook.Part) strict.Words {
	w := words
	w.Unknown = func(at, key string, known []string) string {
		if at == "platform" || strings.HasPrefix(at, "platform.") {
			if now := moved(key, parts); now != "" {
				return fmt.Sprintf("unknown key %q here: it stands under %s now", key, now)
			}
		}
		return fmt.Sprintf("unknown key %q%s", key, strict.DidYouMean(key, known))
	}
	return w
}

// section is the part of the settings that a path lies in: its first key, and below
// platform its second.
func section(path string) string {
	keys := strings.SplitN(path, ".", 3)
	if keys[0] == "platform" && len(keys) > 1 {
		keys[0] = strict.Join(keys[0], keys[1])
	}
	part, _, _ := strings.Cut(keys[0], "[")
	return part
}

// moved is where a key that was met somewhere below platform belongs; empty when it
// belongs nowhere.
func moved(key string, parts []runbook.Part) string {
	var places []string
	for _, f := range strict.Fields(reflect.TypeFor[runbook.Topology]()) {
		if f.Key == key {
			places = append(places, "platform")
		}
	}
	for _, p := range parts {
		if p.Formerly == key {
			places = append(places, strict.Join("platform", p.Key))
		}
		for _, at := range p.Where(key) {
			places = append(places, strict.Join("platform", at))
		}
	}
	return strings.Join(places, " or ")
}

var words = strict.Words{
	Wants: func(key string, want strict.Want, _ reflect.Type, n *yaml.Node) string {
		if want == strict.WantBool {
			return fmt.Sprintf("%s is true or false, not %s", key, shown(n))
		}
		return fmt.Sprintf("%s wants %s, not %s", key, wanted[want], shown(n))
	},
	Lacks: func(whose string, _ any, key string) string { return fmt.Sprintf("%s lacks %q", whose, key) },
	Empty: func(key string, typ reflect.Type, optional bool, n *yaml.Node) (bool, string) {
		switch {
		case n.Kind != yaml.ScalarNode, n.ShortTag() != "!!null" && (typ.Kind() != reflect.String || strings.TrimSpace(n.Value) != ""):
			return false, ""
		case optional:
			return true, ""
		}
		return true, key + " is empty, and it is needed"
	},
	Open: func(key string, n *yaml.Node) (bool, string) {
		if !unfilled(n) {
			return false, ""
		}
		what := strings.TrimLeft(strings.TrimPrefix(n.Value, Open), ": ")
		if what == "" {
			return true, key + " is still to be filled in"
		}
		return true, key + " is still to be filled in: " + what
	},
	Item: func(key string, i int) string { return fmt.Sprintf("item %d of %s", i+1, key) },
}

// Open is how a value begins that is still to be given; what follows says which.
const Open = "FILL IN"

var wanted = map[strict.Want]string{
	strict.WantText: "text", strict.WantWhole: "a whole number", strict.WantNatural: "a whole number",
	strict.WantNumber: "a number", strict.WantDuration: "a duration like 30s or 15m", strict.WantTime: "a time like 2026-03-03T14:00:00Z",
	strict.WantList: "a list", strict.WantMapping: "keys and values",
}

// shown names what stands there instead of what was wanted.
func shown(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys and values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.ShortTag() == "!!null":
		return "nothing"
	}
	return strconv.Quote(strict.Short(n.Value))
}

// settle fills in the defaults.
func (s *Settings) settle(dir string) {
	s.Slack.Command = cmp.Or(s.Slack.Command, defaultCommand)
	s.Redis.Prefix = cmp.Or(s.Redis.Prefix, defaultPrefix)
	s.UpdateEvery = cmp.Or(s.UpdateEvery, defaultUpdateEvery)
	under := func(p string) string {
		if p == "" || filepath.IsAbs(p) {
			return p
		}
		return filepath.Join(dir, p)
	}
	s.Templates = under(s.Templates)
	for region, k := range s.Kubernetes {
		k.Kubeconfig = under(k.Kubeconfig)
		s.Kubernetes[region] = k
	}
}
