package sim

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/runbook/strict"
	"github.com/failoverbot/failoverbot/incident/text"
)

// This file is long because what a scenario can say, and what can be wrong with it,
// are one thought: whoever adds a key finds right below where it is checked.

// Scenario is one story to rehearse: the world at the start, what breaks when,
// who is present and what they do, and the world that is expected at the end.
type Scenario struct {
	// Name by which it is asked for.
	Name string `yaml:"name" json:"name"`
	// Title is one line for people.
	Title string `yaml:"title" json:"title"`
	// About is a paragraph: what goes wrong and what there is to practise.
	About string `yaml:"about" json:"about"`
	// Mode of the failover that fits: planned or unplanned.
	Mode string `yaml:"mode" json:"mode" jsonschema:"planned or unplanned"`
	// Target is the Region that is to take over.
	Target string `yaml:"target" json:"target"`
	// Start is the world at the start, where it differs from a healthy one.
	Start Start `yaml:"start,omitempty" json:"start,omitzero"`
	// Events are what happens to the world.
	Events []Event `yaml:"events,omitempty" json:"events,omitempty"`
	// Lasts is how long a rehearsal lasts in which no incident is to be declared; one is a
	// fault then.
	Lasts time.Duration `yaml:"lasts,omitempty" json:"lasts,omitempty"`
	// People are who is present. Without any, Alice, Bob, Carol, Dan and Eve are
	// there and do nothing by themselves.
	People []Person `yaml:"people,omitempty" json:"people,omitempty"`
	// Expect is the world at the end.
	Expect Expect `yaml:"expect" json:"expect"`
}

// Start is the world at the start, where it differs from a healthy platform.
type Start struct {
	// Time of the start; 2026-03-03T14:00:00Z if not given.
	Time time.Time `yaml:"time,omitempty" json:"time,omitzero"`
	// LagMS is the database's replication lag; 180 if not given.
	LagMS int `yaml:"lag_ms,omitempty" json:"lag_ms,omitempty"`
	// CacheLagMS is the cache's replication lag; 400 if not given.
	CacheLagMS int `yaml:"cache_lag_ms,omitempty" json:"cache_lag_ms,omitempty"`
	// NodesPerZone in a Region; 3 in the home Region and 2 in the standby, each in
	// three zones, if not given.
	NodesPerZone map[string]int `yaml:"nodes_per_zone,omitempty" json:"nodes_per_zone,omitempty"`
	// PodsPerNode is how many pods of the platform a node has room for; 8 if not
	// given.
	PodsPerNode int `yaml:"pods_per_node,omitempty" json:"pods_per_node,omitempty"`
	// CertificateDays is how many days the certificate of a Region's load balancer has
	// left; 365 if not given. Below zero it ended that long ago.
	CertificateDays map[string]int `yaml:"certificate_days,omitempty" json:"certificate_days,omitempty"`
	// TakeoverCheck is what the check of the takeover object looks at, where that is
	// not the object that the settings name.
	TakeoverCheck *Endpoint `yaml:"takeover_check,omitempty" json:"takeover_check,omitempty"`
	// Detection: the bot watches by itself whether a failover is to be proposed.
	Detection bool `yaml:"detection,omitempty" json:"detection,omitempty"`
	// Strategy is how the settings have users moved: by health checks, if not given,
	// "record-change" or "routing-control".
	Strategy string `yaml:"strategy,omitempty" json:"strategy,omitempty" jsonschema:"record-change or routing-control"`
	// HPAMax is the upper bound of the autoscaler of a service in the standby
	// Region, where it is not twice what production needs.
	HPAMax map[string]int `yaml:"hpa_max,omitempty" json:"hpa_max,omitempty"`
	// WritesGoOn: when the database is failed over, Aurora cannot block the writes of the
	// old writer.
	WritesGoOn bool `yaml:"writes_go_on,omitempty" json:"writes_go_on,omitempty"`
	// Versions are the database engine's in a Region, where it is not the usual one.
	Versions map[string]string `yaml:"versions,omitempty" json:"versions,omitempty"`
	// GitOps are the Regions in whose clusters Argo CD keeps the autoscalers' minima as
	// they are at the start, until a PauseGitOps.
	GitOps []string `yaml:"gitops,omitempty" json:"gitops,omitempty"`
	// Lacks are services that a Region's cluster does not have, with their ConfigMaps,
	// Secrets, volume claims and Istio's objects.
	Lacks map[string][]string `yaml:"lacks,omitempty" json:"lacks,omitempty"`
	// Servers are those of Elastic Disaster Recovery, which were failed over; without it
	// nobody has set the service up.
	Servers *StartServers `yaml:"servers,omitempty" json:"servers,omitempty"`
}

// StartServers are servers that Elastic Disaster Recovery has recovered.
type StartServers struct {
	// In is the Region in which they run.
	In string `yaml:"in" json:"in"`
	// Fails are those whose launch fails, each with what the log of the job says of it.
	Fails map[string]string `yaml:"fails,omitempty" json:"fails,omitempty"`
	// Broken are those that do not find their data whole once they were launched, each with
	// what its own page says.
	Broken map[string]string `yaml:"broken,omitempty" json:"broken,omitempty"`
}

// Endpoint is what a health check looks at. What is not given is as it should be.
type Endpoint struct {
	Host string `yaml:"host,omitempty" json:"host,omitempty"`
	Path string `yaml:"path,omitempty" json:"path,omitempty" jsonschema:"begins with /"`
}

// Event is one thing that happens to the world. Exactly one of the things that
// can happen has to be given.
type Event struct {
	// At is how long after Since it happens.
	At time.Duration `yaml:"at" json:"at"`
	// Since is what At counts from: "start" (the default), "promoting" (the
	// database was asked to change its writer), "promoted" (another Region's
	// database accepts writes), "takeover" (the takeover object was put) or
	// "dns-moved" (the zone's servers answer another Region).
	Since string `yaml:"since,omitempty" json:"since,omitempty" jsonschema:"start, promoting, promoted, takeover or dns-moved"`

	// Lose makes everything in that Region unreachable: some calls are refused,
	// some hang, some are answered with 5xx.
	Lose string `yaml:"lose,omitempty" json:"lose,omitempty"`
	// Restore brings a lost Region back.
	Restore string `yaml:"restore,omitempty" json:"restore,omitempty"`
	// CutOff takes the way to that Region from the bot alone. The Region is well,
	// Route 53 and the replication see it.
	CutOff string `yaml:"cut_off,omitempty" json:"cut_off,omitempty"`
	// Reconnect ends a CutOff.
	Reconnect string `yaml:"reconnect,omitempty" json:"reconnect,omitempty"`
	// Network is the bot's own: "down", when nothing that it asks of the platform, of AWS or
	// of name servers leaves, or "up" again. Everything else is well, Slack included.
	Network string `yaml:"network,omitempty" json:"network,omitempty" jsonschema:"down or up"`
	// Degrade makes the services of a Region slow and failing in part.
	Degrade *Degrade `yaml:"degrade,omitempty" json:"degrade,omitempty"`
	// Replication changes how the database's replication does.
	Replication *Replication `yaml:"replication,omitempty" json:"replication,omitempty"`
	// BreakTargets makes every target of a Region's load balancer unhealthy.
	BreakTargets string `yaml:"break_targets,omitempty" json:"break_targets,omitempty"`
	// MendServer has a server launched well from then on, and find its data whole.
	MendServer string `yaml:"mend_server,omitempty" json:"mend_server,omitempty"`
	// MendTargets ends a BreakTargets.
	MendTargets string `yaml:"mend_targets,omitempty" json:"mend_targets,omitempty"`
	// Promotion changes how long the database takes to change its writer.
	Promotion *Promotion `yaml:"promotion,omitempty" json:"promotion,omitempty"`
	// DropPromotion makes Aurora take back a promotion that it had accepted.
	DropPromotion *DropPromotion `yaml:"drop_promotion,omitempty" json:"drop_promotion,omitempty"`
	// ModifyCache is somebody else's change of the cache's global datastore.
	ModifyCache *ModifyCache `yaml:"modify_cache,omitempty" json:"modify_cache,omitempty"`
	// PauseGitOps has Argo CD in that Region tell what differs and leave it.
	PauseGitOps string `yaml:"pause_gitops,omitempty" json:"pause_gitops,omitempty"`
	// Configure is a setting that somebody changes in one Region alone.
	Configure *Configure `yaml:"configure,omitempty" json:"configure,omitempty"`
	// AddNodes gives a Region's cluster more nodes.
	AddNodes *AddNodes `yaml:"add_nodes,omitempty" json:"add_nodes,omitempty"`
	// Resolver makes a public resolver lie, or lets it tell the truth again.
	Resolver *Resolver `yaml:"resolver,omitempty" json:"resolver,omitempty"`
	// TakeoverCheck is what somebody sets the check of the takeover object to.
	TakeoverCheck *Endpoint `yaml:"takeover_check,omitempty" json:"takeover_check,omitempty"`
	// Settings are the names of the database that somebody puts into the settings; a bot that
	// is started from then on has them.
	Settings *DatabaseNames `yaml:"settings,omitempty" json:"settings,omitempty"`
	// Fault breaks single calls.
	Fault *Fault `yaml:"fault,omitempty" json:"fault,omitempty"`
	// Bot is "kill", as kill -9 does, or "start".
	Bot string `yaml:"bot,omitempty" json:"bot,omitempty" jsonschema:"kill or start"`
	// Slack is "away", for everybody, or "back".
	Slack string `yaml:"slack,omitempty" json:"slack,omitempty" jsonschema:"away or back"`
}

// Cue is an [Event] that concerns the rehearsal itself and not the world: whoever
// runs it carries it out.
type Cue struct {
	Bot   string `json:"bot,omitempty"`   // kill or start
	Slack string `json:"slack,omitempty"` // away or back
}

// Cued says whether the scenario has cues.
func (s *Scenario) Cued() bool {
	return slices.ContainsFunc(s.Events, func(e Event) bool { return e.Bot != "" || e.Slack != "" })
}

// Degrade is a Region that half works.
type Degrade struct {
	Region string `yaml:"region" json:"region"`
	// FailPercent of the requests to the services get a 503.
	FailPercent int `yaml:"fail_percent" json:"fail_percent"`
	// LatencyMS is added to each answer.
	LatencyMS int `yaml:"latency_ms,omitempty" json:"latency_ms,omitempty"`
}

// Replication is how the database's replication does from now on.
type Replication struct {
	// LagMS from now on.
	LagMS int `yaml:"lag_ms,omitempty" json:"lag_ms,omitempty"`
	// Stopped ends replication: no lag is published any more.
	Stopped bool `yaml:"stopped,omitempty" json:"stopped,omitempty"`
}

// Promotion is how long a switchover or failover of the database takes from now
// on, the one under way included.
type Promotion struct {
	// Takes is how long in all; 0 is as long as usual.
	Takes time.Duration `yaml:"takes" json:"takes"`
}

// DropPromotion makes Aurora take back switchovers and failovers of the database
// that it has accepted, the one under way included: each is being cancelled for half
// a minute, and then everything is available with its former role.
type DropPromotion struct {
	// After is how long after it was asked for Aurora begins to take it back. A
	// promotion that is over by then stays.
	After time.Duration `yaml:"after" json:"after"`
	// Times it happens; 0 is always.
	Times int `yaml:"times,omitempty" json:"times,omitempty"`
}

// ModifyCache is a change that somebody else makes of the global datastore: it is
// modifying for a while, and then available with the roles that it had. A promotion
// that is under way comes to nothing by it.
type ModifyCache struct {
	// Takes is how long it is modifying; 0 is 45 s.
	Takes time.Duration `yaml:"takes,omitempty" json:"takes,omitempty"`
}

// Configure is a key of the ConfigMap of a service, in a Region's cluster.
type Configure struct {
	Region string `yaml:"region" json:"region"`
	// Service is order-service or payment-service: the others have no ConfigMap.
	Service string `yaml:"service" json:"service"`
	Key     string `yaml:"key" json:"key"`
	Value   string `yaml:"value" json:"value"`
}

// AddNodes is capacity that comes to a Region's cluster.
type AddNodes struct {
	Region string `yaml:"region" json:"region"`
	// PerZone is how many new nodes each zone gets; they are ready at once.
	PerZone int `yaml:"per_zone" json:"per_zone"`
}

// Resolver is what a public resolver says of the platform's public name.
type Resolver struct {
	// Name of the resolver: Google, Cloudflare or OpenDNS.
	Name string `yaml:"name" json:"name" jsonschema:"Google, Cloudflare or OpenDNS"`
	// Answers is the Region it answers, whatever is true; empty is the truth again.
	Answers string `yaml:"answers,omitempty" json:"answers,omitempty"`
}

// Person is somebody in the rehearsal.
type Person struct {
	// Name as shown: Alice.
	Name string `yaml:"name" json:"name"`
	// ID is the Slack user id: U0ALICE.
	ID string `yaml:"id" json:"id"`
	// Roles: commander, approver, responder, outsider, break_glass.
	Roles []string `yaml:"roles" json:"roles"`
	// Absent people do nothing, whatever Does says.
	Absent bool `yaml:"absent,omitempty" json:"absent,omitempty"`
	// Does is what they do when the rehearsal plays by itself.
	Does []Deed `yaml:"does,omitempty" json:"does,omitempty"`
}

// Deed is one thing a person does, and upon what.
type Deed struct {
	// On is what makes them do it: "start" (the rehearsal begins), "question" (the
	// bot asks something), "notice" (the bot tells something that needs somebody),
	// "proposal" (the bot proposes a failover),
	// "mitigated" (service is restored) or "taken-back" (what a run had changed is
	// undone).
	On string `yaml:"on" json:"on" jsonschema:"start, question, notice, proposal, mitigated or taken-back"`
	// Kind of the question: go, approval, failed. Empty is any.
	Kind string `yaml:"kind,omitempty" json:"kind,omitempty" jsonschema:"go, approval or failed"`
	// Step that the question is about, by its id. Empty is any.
	Step string `yaml:"step,omitempty" json:"step,omitempty"`
	// After is how long they take.
	After time.Duration `yaml:"after,omitempty" json:"after,omitempty"`
	// Say is a slash command or a message: "/failover start us-west-2".
	Say string `yaml:"say,omitempty" json:"say,omitempty"`
	// Press is the button: approve, decline, break-glass, go,
	// go-override, retry, go-on, abort, switch.
	Press string `yaml:"press,omitempty" json:"press,omitempty"`
	// Form is what they fill into the modal that opens, field by field.
	Form map[string]string `yaml:"form,omitempty" json:"form,omitempty"`
	// Times they do it at most. 0 is once for "start", and every time for the others.
	Times int `yaml:"times,omitempty" json:"times,omitempty"`
}

// Expect is the world at the end, and what has to have happened on the way. What is
// not given is not looked at.
type Expect struct {
	// Ended is how each run ended, in order: "mitigated" (users are served, verified),
	// "aborted", "superseded" by the one that follows it, "taken back" (all of what was
	// stopped is undone), "done" or "open".
	Ended []string `yaml:"ended,omitempty" json:"ended,omitempty" jsonschema:"mitigated, aborted, superseded, taken back, done or open, for each run"`
	// Timeline are events that the newest timeline has to hold.
	Timeline []ExpectEvent `yaml:"timeline,omitempty" json:"timeline,omitempty"`
	// Broken are calls that have to have failed by a fault of the scenario.
	Broken []ExpectBroken `yaml:"broken,omitempty" json:"broken,omitempty"`
	// Told is what was said to one person alone, such as a refusal.
	Told []ExpectTold `yaml:"told,omitempty" json:"told,omitempty"`
	// Proposed is what became of each failover that the bot proposed, in order: started,
	// dismissed, withdrawn or open. None is also looked at where detection is on.
	Proposed []string `yaml:"proposed,omitempty" json:"proposed,omitempty" jsonschema:"started, dismissed, withdrawn or open, for each proposal"`
	// Signals are observations that the platform log has to hold.
	Signals []ExpectSignal `yaml:"signals,omitempty" json:"signals,omitempty"`
	// Silent is for how long, from Go on, nothing was said in Slack at one stretch, at
	// least.
	Silent time.Duration `yaml:"silent,omitempty" json:"silent,omitempty"`
	// Hurt is the Region in which, until the database was asked to change its writer,
	// some orders got through and others did not.
	Hurt string `yaml:"hurt,omitempty" json:"hurt,omitempty"`
	// Writer is the Region whose database accepts writes.
	Writer string `yaml:"writer,omitempty" json:"writer,omitempty"`
	// Cache is the Region whose cache is the primary.
	Cache string `yaml:"cache,omitempty" json:"cache,omitempty"`
	// Scaled is the Region in which every service has the replicas that production
	// needs: ready, and as the autoscaler's minimum.
	Scaled string `yaml:"scaled,omitempty" json:"scaled,omitempty"`
	// HPAMin and Ready are the same for single services in the target Region.
	HPAMin map[string]int `yaml:"hpa_min,omitempty" json:"hpa_min,omitempty"`
	Ready  map[string]int `yaml:"ready,omitempty" json:"ready,omitempty"`
	// Connected is the Region in which the pods of every service hold connections
	// to the present writer.
	Connected string `yaml:"connected,omitempty" json:"connected,omitempty"`
	// Fenced is the Region in which no service that writes runs any more.
	Fenced string `yaml:"fenced,omitempty" json:"fenced,omitempty"`
	// Unfenced is the Region in which every service that writes is asked to run.
	Unfenced string `yaml:"unfenced,omitempty" json:"unfenced,omitempty"`
	// Restored is the Region that has every service, running, with all that belongs to it.
	Restored string `yaml:"restored,omitempty" json:"restored,omitempty"`
	// Servers is the Region in which each server of Elastic Disaster Recovery runs once,
	// where its target group leads to it, and no one of the other Region does.
	Servers string `yaml:"servers,omitempty" json:"servers,omitempty"`
	// Protected is the Region to which all of them are replicated up to the last moment.
	Protected string `yaml:"protected,omitempty" json:"protected,omitempty"`
	// DNS is the Region that the zone's own servers answer.
	DNS string `yaml:"dns,omitempty" json:"dns,omitempty"`
	// Takeover is the Region whose bucket holds the takeover object.
	Takeover string `yaml:"takeover,omitempty" json:"takeover,omitempty"`
	// NoTakeover is the Region whose bucket does not hold it.
	NoTakeover string `yaml:"no_takeover,omitempty" json:"no_takeover,omitempty"`
	// HealthCheck is how the PRIMARY record's check is set.
	HealthCheck *ExpectCheck `yaml:"health_check,omitempty" json:"health_check,omitempty"`
	// SmokeOrder is the Region in which an order was written through its own
	// address after the promotion.
	SmokeOrder string `yaml:"smoke_order,omitempty" json:"smoke_order,omitempty"`
	// SyntheticOrder is the Region in which an order was written through the
	// public name, can be read, and another one could be written.
	SyntheticOrder string `yaml:"synthetic_order,omitempty" json:"synthetic_order,omitempty"`
}

// ExpectEvent is an event that a timeline has to hold.
type ExpectEvent struct {
	// Type of the event: StepFailed.
	Type string `yaml:"type" json:"type"`
	// Step that it is about, by its id; one for each service by the part before the
	// slash. Empty is any.
	Step string `yaml:"step,omitempty" json:"step,omitempty"`
	// Says is text that stands in it. Empty is any.
	Says string `yaml:"says,omitempty" json:"says,omitempty"`
	// Times it is there at least; 0 is once.
	Times int `yaml:"times,omitempty" json:"times,omitempty"`
}

// ExpectTold is what the bot has to have said to one person alone.
type ExpectTold struct {
	// Says is text that stands in it.
	Says string `yaml:"says" json:"says"`
	// Times it was said at least; 0 is once.
	Times int `yaml:"times,omitempty" json:"times,omitempty"`
}

// ExpectSignal is an observation that the platform log has to hold.
type ExpectSignal struct {
	// Signal is its name: "pages of us-east-1".
	Signal string `yaml:"signal" json:"signal"`
	// Verdict is what it turned to: pass, fail or unknown.
	Verdict string `yaml:"verdict" json:"verdict" jsonschema:"pass, fail or unknown"`
}

// ExpectBroken is a call that has to have failed by a fault.
type ExpectBroken struct {
	// Operation is the name in calls.jsonl.
	Operation string `yaml:"operation" json:"operation"`
	// Kind of the fault.
	Kind string `yaml:"kind" json:"kind" jsonschema:"lost-answer, throttle, refuse, hang, 5xx or deny"`
	// Times it failed so at least; 0 is once.
	Times int `yaml:"times,omitempty" json:"times,omitempty"`
}

// ExpectCheck is how a health check is set.
type ExpectCheck struct {
	Disabled bool `yaml:"disabled" json:"disabled"`
	Inverted bool `yaml:"inverted" json:"inverted"`
}

//go:embed scenarios/*.yaml
var embedded embed.FS

// Scenarios are the names of the scenarios that are built in.
func Scenarios() []string {
	files, err := fs.Glob(embedded, "scenarios/*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".yaml")
	}
	return names
}

// Load returns the built-in scenario of that name, or reads a file.
func Load(nameOrPath string) (*Scenario, error) {
	if slices.Contains(Scenarios(), nameOrPath) {
		data, err := embedded.ReadFile("scenarios/" + nameOrPath + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("read scenario %s: %w", nameOrPath, err)
		}
		return ParseScenario(nameOrPath+".yaml", data)
	}
	data, err := strict.ReadFile(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) {
		if meant := text.Nearest(text.Fold(nameOrPath), Scenarios()); meant != "" {
			return nil, fmt.Errorf("there is no scenario %q: did you mean %s? Built in are %s; or give the path of a scenario file", nameOrPath, meant, strings.Join(Scenarios(), ", "))
		}
		return nil, fmt.Errorf("there is no scenario %q: give one of %s, or the path of a scenario file", nameOrPath, strings.Join(Scenarios(), ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("read scenario file: %w", err)
	}
	return ParseScenario(nameOrPath, data)
}

// DefaultStart is the pretend moment at which a rehearsal begins.
var DefaultStart = time.Date(2026, 3, 3, 14, 0, 0, 0, time.UTC)

// StartTime is the pretend moment at which this scenario begins.
func (s *Scenario) StartTime() time.Time {
	if s.Start.Time.IsZero() {
		return DefaultStart
	}
	return s.Start.Time.UTC()
}

// DefaultPeople are who is present when a scenario names nobody.
func DefaultPeople() []Person {
	return []Person{
		{Name: "Alice", ID: "U0ALICE", Roles: []string{"commander"}},
		{Name: "Bob", ID: "U0BOB", Roles: []string{"approver"}},
		{Name: "Carol", ID: "U0CAROL", Roles: []string{"approver", "break_glass"}},
		{Name: "Dan", ID: "U0DAN", Roles: []string{"responder"}},
		{Name: "Eve", ID: "U0EVE", Roles: []string{"outsider"}},
	}
}

// ParseScenario reads a scenario. The error is a [strict.Faults] that lists
// everything that is wrong with it.
func ParseScenario(name string, data []byte) (*Scenario, error) {
	doc, faults := strict.Parse(name, data, "in a scenario")
	if doc.Root == nil {
		return nil, faults
	}
	s := &Scenario{}
	lint := linter{strict.Read(doc, strict.Decoder{Words: words, Lax: true}, "a scenario", s)}
	lint.scenario(s)
	if faults := lint.Faults(); len(faults) > 0 {
		return nil, faults
	}
	if len(s.People) == 0 {
		s.People = DefaultPeople()
	}
	return s, nil
}

// words are how faults of a scenario are said. What it has to have is for the
// linter.
var words = strict.Words{
	Wants: func(_ string, want strict.Want, _ reflect.Type, n *yaml.Node) string {
		return given(n) + " is not " + wanted[want]
	},
	Unknown: func(_, key string, known []string) string {
		return fmt.Sprintf("unknown key %q: use one of %s", key, strings.Join(known, ", "))
	},
	Lacks: func(_ string, _ any, key string) string { return key + " is missing" },
	Empty: func(_ string, _ reflect.Type, _ bool, n *yaml.Node) (bool, string) {
		return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null", ""
	},
}

func given(n *yaml.Node) string {
	if n.Kind == yaml.SequenceNode {
		return "a list"
	}
	if n.Kind == yaml.MappingNode {
		return "a mapping"
	}
	return strconv.Quote(n.Value)
}

var wanted = map[strict.Want]string{
	strict.WantText: "text", strict.WantBool: "true or false", strict.WantNumber: "a number",
	strict.WantWhole: "a whole number", strict.WantNatural: "a whole number",
	strict.WantDuration: "a duration such as 90s or 1m30s", strict.WantTime: "a time such as 2026-03-03T14:00:00Z",
	strict.WantList: "a list such as [one, another]", strict.WantMapping: "a mapping such as {key: value}",
}

// linter finds what is well-formed and still cannot be right.
type linter struct{ *strict.Report }

// fault reports what is wrong at a path of keys (string) and indices (int), with
// the place of the key.
func (l linter) fault(at []any, format string, args ...any) {
	path := ""
	for _, step := range at {
		switch step := step.(type) {
		case string:
			path = strict.Join(path, step)
		case int:
			path += fmt.Sprintf("[%d]", step)
		}
	}
	l.FaultOfKey(path, format, args...)
}

func (l linter) oneOf(what, value string, known []string, at ...any) {
	if !slices.Contains(known, value) {
		l.fault(at, "%s %q is not known: use one of %s", what, value, strings.Join(known, ", "))
	}
}

// region checks a Region's name, which may be left out.
func (l linter) region(value string, at ...any) {
	if value != "" {
		l.oneOf("Region", value, regionNames, at...)
	}
}

func (l linter) services(m map[string]int, at ...any) {
	for name, n := range m {
		where := append(slices.Clone(at), name)
		l.oneOf("service", name, serviceNames(), where...)
		if n < 0 {
			l.fault(where, "%d is below zero", n)
		}
	}
}

func (l linter) notNegative(n int, at ...any) {
	if n < 0 {
		l.fault(at, "%d is below zero", n)
	}
}

var (
	marks     = []string{markStart, markPromoting, markPromoted, markTakeover, markDNSMoved}
	roles     = []string{"commander", "approver", "responder", "outsider", "break_glass"}
	moments   = []string{"start", "question", "notice", "proposal", "mitigated", "taken-back"}
	questions = []string{"go", "approval", "ask", "failed"}
	runEnds   = []string{"mitigated", "aborted", incident.Superseded, "taken back", "done", "open"}
	// proposalEnds are what can become of a proposal.
	proposalEnds = []string{incident.ProposalStarted, incident.ProposalDismissed, incident.ProposalWithdrawn, "open"}
	buttons      = []string{"approve", "decline", "break-glass", "go", "go-override", "retry", "go-on", "overwrite", "abort", "abort-back", "take-back", "switch", "start-proposed", "not-now"}
)

func (l linter) scenario(s *Scenario) {
	for _, f := range []struct{ key, value string }{{"name", s.Name}, {"title", s.Title}, {"about", s.About}} {
		if strings.TrimSpace(f.value) == "" {
			l.fault([]any{f.key}, "%s is missing", f.key)
		}
	}
	l.oneOf("mode", s.Mode, []string{"planned", "unplanned"}, "mode")
	l.oneOf("Region", s.Target, regionNames, "target")

	if s.Lasts < 0 {
		l.fault([]any{"lasts"}, "%s is below zero", s.Lasts)
	}
	l.notNegative(s.Start.LagMS, "start", "lag_ms")
	l.notNegative(s.Start.CacheLagMS, "start", "cache_lag_ms")
	l.notNegative(s.Start.PodsPerNode, "start", "pods_per_node")
	for r := range s.Start.CertificateDays {
		l.region(r, "start", "certificate_days", r)
	}
	for r, n := range s.Start.NodesPerZone {
		l.region(r, "start", "nodes_per_zone", r)
		l.notNegative(n, "start", "nodes_per_zone", r)
	}
	l.services(s.Start.HPAMax, "start", "hpa_max")
	for i, r := range s.Start.GitOps {
		l.region(r, "start", "gitops", i)
	}
	for r, v := range s.Start.Versions {
		l.region(r, "start", "versions", r)
		if !strings.Contains(v, ".") {
			l.fault([]any{"start", "versions", r}, "version %q is not like 16.6", v)
		}
	}
	for r, all := range s.Start.Lacks {
		l.region(r, "start", "lacks", r)
		for i, name := range all {
			l.oneOf("service", name, serviceNames(), "start", "lacks", r, i)
		}
	}
	if at := s.Start.Servers; at != nil {
		l.oneOf("Region", at.In, regionNames, "start", "servers", "in")
		for name := range at.Fails {
			l.oneOf("server", name, serverNames(), "start", "servers", "fails", name)
		}
		for name := range at.Broken {
			l.oneOf("server", name, serverNames(), "start", "servers", "broken", name)
		}
	}
	if e := s.Expect; s.Start.Servers == nil && (e.Servers != "" || e.Protected != "") {
		l.fault([]any{"expect"}, "there are no servers: start with some")
	}
	l.endpoint(s.Start.TakeoverCheck, "start", "takeover_check")
	if s.Start.Strategy != "" {
		l.oneOf("strategy", s.Start.Strategy, []string{recordChange, routingControl}, "start", "strategy")
	}

	for i, e := range s.Events {
		l.event(e, "events", i)
	}
	l.people(s)
	l.expect(s.Expect)
}

func (l linter) endpoint(e *Endpoint, at ...any) {
	if e != nil && e.Path != "" && !strings.HasPrefix(e.Path, "/") {
		l.fault(append(at, "path"), "path %q does not begin with /", e.Path)
	}
}

func (l linter) event(e Event, at ...any) {
	in := func(more ...any) []any { return append(slices.Clone(at), more...) }
	if e.At < 0 {
		l.fault(in("at"), "%s is before the beginning", e.At)
	}
	if e.Since != "" {
		l.oneOf("moment", e.Since, marks, in("since")...)
	}
	n := 0
	for _, r := range []struct{ key, region string }{
		{"lose", e.Lose},
		{"restore", e.Restore},
		{"cut_off", e.CutOff},
		{"reconnect", e.Reconnect},
		{"break_targets", e.BreakTargets},
		{"mend_targets", e.MendTargets},
		{"pause_gitops", e.PauseGitOps},
	} {
		if r.region != "" {
			n++
			l.region(r.region, in(r.key)...)
		}
	}
	if e.MendServer != "" {
		n++
		l.oneOf("server", e.MendServer, serverNames(), in("mend_server")...)
	}
	if d := e.Degrade; d != nil {
		n++
		l.oneOf("Region", d.Region, regionNames, in("degrade", "region")...)
		if d.FailPercent < 0 || d.FailPercent > 100 {
			l.fault(in("degrade", "fail_percent"), "%d is not a percentage: use 0 to 100", d.FailPercent)
		}
		l.notNegative(d.LatencyMS, in("degrade", "latency_ms")...)
	}
	if r := e.Replication; r != nil {
		n++
		l.notNegative(r.LagMS, in("replication", "lag_ms")...)
	}
	if f := e.Fault; f != nil {
		n++
		l.oneOf("fault kind", f.Kind, faultKinds, in("fault", "kind")...)
		if f.Region != "" && f.System == arcAPI.system { // which has ends elsewhere, too
			l.oneOf("Region", f.Region, clusterRegions, in("fault", "region")...)
		} else {
			l.region(f.Region, in("fault", "region")...)
		}
		l.notNegative(f.Times, in("fault", "times")...)
		if f.System != "" {
			l.oneOf("system", f.System, systems(), in("fault", "system")...)
		}
	}
	if p := e.Promotion; p != nil {
		n++
		if p.Takes < 0 {
			l.fault(in("promotion", "takes"), "%s is below zero", p.Takes)
		}
	}
	if d := e.DropPromotion; d != nil {
		n++
		if d.After < 0 {
			l.fault(in("drop_promotion", "after"), "%s is below zero", d.After)
		}
		l.notNegative(d.Times, in("drop_promotion", "times")...)
	}
	if m := e.ModifyCache; m != nil {
		n++
		if m.Takes < 0 {
			l.fault(in("modify_cache", "takes"), "%s is below zero", m.Takes)
		}
	}
	if c := e.Configure; c != nil {
		n++
		l.oneOf("Region", c.Region, regionNames, in("configure", "region")...)
		if _, _, ok := setUpBy(c.Service); !ok {
			l.fault(in("configure", "service"), "%q has no ConfigMap: use order-service or payment-service", c.Service)
		}
		if c.Key == "" {
			l.fault(in("configure", "key"), "key is missing")
		}
	}
	if a := e.AddNodes; a != nil {
		n++
		l.oneOf("Region", a.Region, regionNames, in("add_nodes", "region")...)
		if a.PerZone < 1 {
			l.fault(in("add_nodes", "per_zone"), "%d is no capacity: use 1 or more", a.PerZone)
		}
	}
	if r := e.Resolver; r != nil {
		n++
		l.oneOf("resolver", r.Name, resolverNames, in("resolver", "name")...)
		l.region(r.Answers, in("resolver", "answers")...)
	}
	if c := e.TakeoverCheck; c != nil {
		n++
		l.endpoint(c, in("takeover_check")...)
	}
	if d := e.Settings; d != nil {
		n++
		if d.GlobalCluster == "" {
			l.fault(in("settings", "global_cluster"), "global_cluster is missing")
		}
		for r := range d.Clusters {
			l.region(r, in("settings", "clusters", r)...)
		}
	}
	if e.Network != "" {
		n++
		l.oneOf("state", e.Network, []string{"down", "up"}, in("network")...)
	}
	if e.Bot != "" {
		n++
		l.oneOf("deed", e.Bot, []string{"kill", "start"}, in("bot")...)
	}
	if e.Slack != "" {
		n++
		l.oneOf("deed", e.Slack, []string{"away", "back"}, in("slack")...)
	}
	if n != 1 {
		l.fault(in(), "an event has to say exactly one thing that happens, this one says %d: use one of lose, restore, cut_off, reconnect, network, degrade, replication, break_targets, mend_targets, promotion, drop_promotion, pause_gitops, configure, add_nodes, resolver, takeover_check, settings, fault, bot, slack", n)
	}
}

func (l linter) people(s *Scenario) {
	seen := map[string]bool{}
	approvers := 0
	for i, p := range s.People {
		if p.Name == "" {
			l.fault([]any{"people", i}, "this person has no name")
		}
		if p.ID == "" {
			l.fault([]any{"people", i}, "this person has no id, such as U0ALICE")
		} else if seen[p.ID] {
			l.fault([]any{"people", i, "id"}, "%s is there twice", p.ID)
		}
		seen[p.ID] = true
		if len(p.Roles) == 0 {
			l.fault([]any{"people", i}, "this person has no roles: give some of %s", strings.Join(roles, ", "))
		}
		for j, r := range p.Roles {
			l.oneOf("role", r, roles, "people", i, "roles", j)
		}
		if slices.Contains(p.Roles, "approver") {
			approvers++
		}
		for j, d := range p.Does {
			l.deed(d, "people", i, "does", j)
		}
	}
	if len(s.People) > 0 && approvers == 0 {
		l.fault([]any{"people"}, "nobody can approve: give somebody the role approver")
	}
}

func (l linter) deed(d Deed, at ...any) {
	in := func(more ...any) []any { return append(slices.Clone(at), more...) }
	l.oneOf("moment", d.On, moments, in("on")...)
	if d.Kind != "" {
		l.oneOf("question", d.Kind, questions, in("kind")...)
	}
	if d.Press != "" {
		l.oneOf("button", d.Press, buttons, in("press")...)
	}
	if d.After < 0 {
		l.fault(in("after"), "%s is before the beginning", d.After)
	}
	l.notNegative(d.Times, in("times")...)
	if (d.Say == "") == (d.Press == "") {
		l.fault(in(), "give either what they say or which button they press")
	}
	if d.On != "question" && (d.Kind != "" || d.Step != "" || d.Press != "" && d.On != "notice" && d.On != "proposal") {
		l.fault(in(), "kind, step and press belong to `on: question`, and press to `on: notice` and `on: proposal`")
	}
}

func (l linter) expect(e Expect) {
	v := reflect.ValueOf(e)
	if v.IsZero() {
		l.fault([]any{"expect"}, "nothing is expected of the world at the end: name at least its writer")
	}
	for i, end := range e.Ended {
		l.oneOf("end", end, runEnds, "expect", "ended", i)
	}
	for i, ev := range e.Timeline {
		if ev.Type == "" {
			l.fault([]any{"expect", "timeline", i}, "this event has no type, such as StepFailed")
		}
		l.notNegative(ev.Times, "expect", "timeline", i, "times")
	}
	for i, end := range e.Proposed {
		l.oneOf("end", end, proposalEnds, "expect", "proposed", i)
	}
	for i, s := range e.Signals {
		if s.Signal == "" {
			l.fault([]any{"expect", "signals", i}, "this signal has no name, such as pages of us-east-1")
		}
		l.oneOf("verdict", s.Verdict, []string{string(incident.Pass), string(incident.Fail), string(incident.Unsure)}, "expect", "signals", i, "verdict")
	}
	for i, b := range e.Broken {
		if b.Operation == "" {
			l.fault([]any{"expect", "broken", i}, "this call has no operation, such as SwitchoverGlobalCluster")
		}
		l.oneOf("fault kind", b.Kind, faultKinds, "expect", "broken", i, "kind")
		l.notNegative(b.Times, "expect", "broken", i, "times")
	}
	for i, told := range e.Told {
		if told.Says == "" {
			l.fault([]any{"expect", "told", i}, "it says nothing that was to be told")
		}
		l.notNegative(told.Times, "expect", "told", i, "times")
	}
	if e.Silent < 0 {
		l.fault([]any{"expect", "silent"}, "%s is below zero", e.Silent)
	}
	for _, r := range []struct{ key, region string }{
		{"hurt", e.Hurt},
		{"writer", e.Writer},
		{"cache", e.Cache},
		{"scaled", e.Scaled},
		{"connected", e.Connected},
		{"restored", e.Restored},
		{"servers", e.Servers},
		{"protected", e.Protected},
		{"fenced", e.Fenced},
		{"unfenced", e.Unfenced},
		{"dns", e.DNS},
		{"takeover", e.Takeover},
		{"no_takeover", e.NoTakeover},
		{"smoke_order", e.SmokeOrder},
		{"synthetic_order", e.SyntheticOrder},
	} {
		l.region(r.region, "expect", r.key)
	}
	l.services(e.HPAMin, "expect", "hpa_min")
	l.services(e.Ready, "expect", "ready")
}

// ScenarioSchema is the JSON schema of scenario files, for editors.
func ScenarioSchema() ([]byte, error) {
	s, err := jsonschema.For[Scenario](&jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[time.Duration](): {Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`, Description: "a duration such as 90s or 1m30s"},
		reflect.TypeFor[time.Time]():     {Type: "string", Format: "date-time"},
	}})
	if err != nil {
		return nil, fmt.Errorf("make the schema of scenarios: %w", err)
	}
	s.Schema = "https://json-schema.org/draft/2020-12/schema"
	s.Title = "failoverbot rehearsal scenario"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("write the schema of scenarios: %w", err)
	}
	return b.Bytes(), nil
}
