//go:build real

package kube_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/failoverbot/failoverbot/incident"
	"github.com/failoverbot/failoverbot/incident/engine"
	"github.com/failoverbot/failoverbot/incident/runbook"
	"github.com/failoverbot/failoverbot/providers"
	"github.com/failoverbot/failoverbot/providers/iam"
	"github.com/failoverbot/failoverbot/providers/kube"
	"github.com/failoverbot/failoverbot/providers/kube/kubetest"
	"github.com/failoverbot/failoverbot/providers/kubeapi"
	"github.com/failoverbot/failoverbot/providers/live"
	"github.com/failoverbot/failoverbot/providers/velero"
)

const (
	east = kubetest.East
	west = kubetest.West
)

func TestMain(m *testing.M) {
	if actAsPlugin() {
		return
	}
	os.Exit(kubetest.Main(m))
}

// schedule of the platform's backups.
const schedule = "every-ten-minutes"

// nightly is a CronJob that runs in one Region alone: the one that deploy/rbac.yaml names.
const nightly = "invoice-run"

// id of the incident that every step here belongs to.
const id incident.ID = "INC-2026-0042"

// shop is a platform in two real clusters with the catalogue on its wires. The clients
// are made from a kubeconfig as in production, and have the rights of deploy/rbac.yaml.
type shop struct {
	*kubetest.Platform
	catalog engine.Catalog
	clock   incident.Clock
	client  func(region string) (kubeapi.Client, error)
	// What the settings say; a test may have it otherwise.
	namespace    string
	nodesPerZone int
	consumers    []string
	// found is what other steps have found.
	found map[string]engine.Outcome
}

// open starts with empty clusters, and with rights that lack those that are missing.
func open(t *testing.T, need kubetest.Need, missing ...kubetest.Right) *shop {
	t.Helper()
	p := kubetest.Start(t, need, missing...)
	return reach(p, p.Kubeconfig(), nil)
}

// standby is a shop whose target is as small as a standby is, and settled.
func standby(t *testing.T, missing ...kubetest.Right) *shop {
	t.Helper()
	s := open(t, kubetest.Rollouts, missing...)
	s.Seed(west, kubetest.Standby...)
	s.Available(west, kubetest.Names(kubetest.Standby)...)
	return s
}

// wired is a shop with a wire to each Region on which requests can be broken.
func wired(t *testing.T, need kubetest.Need) *shop {
	t.Helper()
	p := kubetest.Start(t, need)
	return reach(p, p.WiredKubeconfig(), p.Dial)
}

func reach(p *kubetest.Platform, kubeconfig string, dial live.Dial) *shop {
	clusters := map[string]live.Cluster{}
	for _, region := range kubetest.Regions {
		clusters[region] = live.Cluster{Context: kubetest.Context(region), Kubeconfig: kubeconfig}
	}
	clock := incident.RealClock{}
	client := live.Kube(live.KubeSettings{Clusters: clusters, Clock: clock, Dial: dial})
	catalog := providers.Catalog(providers.Connections{Clock: clock, Kube: client})
	host := kube.New(client, clock).Actions(func(context.Context, *runbook.Plan) (string, error) { return ownHost, nil }, nil)["kube.host"]
	host.Part, host.CallTimeout = catalog["kube.host"].Part, catalog["kube.host"].CallTimeout
	catalog["kube.host"] = host // there is no AWS here to ask
	return &shop{
		Platform: p, clock: clock, client: client, catalog: catalog,
		namespace: p.Namespace, nodesPerZone: 2,
	}
}

// ownHost is where services find the target's own database.
const ownHost = "shop-standby.cluster-abc.us-west-2.rds.amazonaws.com"

// plan is the shipped runbook, compiled for this platform in a mode, for the way back, or
// for a restore.
func (s *shop) plan(t *testing.T, mode string) *runbook.Plan {
	t.Helper()
	top := runbook.RepresentativeFacts("planned", providers.Parts()...).Topology
	top.Services = nil
	own := kube.Settings{Regions: map[string]kube.Cluster{}, CronJobs: []string{nightly}, Consumers: s.consumers, DatabaseEnv: "DB_HOST"}
	for _, region := range kubetest.Regions {
		own.Regions[region] = kube.Cluster{Namespace: s.namespace, MinZones: 3, MinNodesPerZone: s.nodesPerZone}
	}
	if err := kube.Platform.Freeze(&top, own); err != nil {
		t.Fatal(err)
	}
	backups := velero.Settings{VeleroNamespace: s.namespace, MaxAgeMinutes: 15, Regions: map[string]velero.Schedule{east: {BackupSchedule: schedule}}}
	if err := velero.Platform.Freeze(&top, backups); err != nil {
		t.Fatal(err)
	}
	if err := iam.Platform.Freeze(&top, iam.Settings{}); err != nil { // no EKS here
		t.Fatal(err)
	}
	writes := map[string]bool{"user-service": true, "order-service": true, "payment-service": true}
	for _, home := range kubetest.Home {
		top.Services = append(top.Services, runbook.Service{Name: home.Name, Replicas: home.Replicas, Standby: 2, Writes: writes[home.Name]})
	}
	src, err := runbook.Load(os.DirFS("../../templates/runbook"), "failover.yaml")
	if err != nil {
		t.Fatal(err)
	}
	facts := runbook.Facts{
		Incident: string(id), Mode: mode, Severity: "SEV-1", Reason: "a test",
		Source: top.Regions[east], Target: top.Regions[west], Topology: top,
	}
	if mode == "failback" {
		facts = facts.Back()
	}
	if mode == "restore" {
		facts = facts.Restoring()
	}
	if mode == "detach" {
		facts = facts.Detaching()
	}
	p, err := src.Compile(s.catalog.Runbook(), facts)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// step is a step of the runbook, in whichever mode has it.
func (s *shop) step(t *testing.T, name string) (engine.Action, engine.Call) {
	t.Helper()
	for _, mode := range []string{"planned", "unplanned", "failback", "restore", "detach"} {
		p := s.plan(t, mode)
		step, ok := p.Step(name)
		if !ok {
			continue
		}
		now := s.clock.Now()
		return s.catalog[step.Uses], engine.Call{
			Incident: id, Plan: p, Step: step, Attempt: 1, Began: now, Impact: now, Clock: s.clock,
			Token: "fb-0123456789abcdef", Result: func(step string) (engine.Outcome, bool) { o, ok := s.found[step]; return o, ok },
		}
	}
	t.Fatalf("the runbook has no step %s", name)
	return engine.Action{}, engine.Call{}
}

// bounded is the time that one call of an action has: a check has its step's.
func (s *shop) bounded(t *testing.T, a engine.Action, c engine.Call) (context.Context, context.CancelFunc) {
	return s.clock.WithTimeout(t.Context(), cmp.Or(a.CallTimeout, c.Step.Timeout), errors.New("the call's time is up"))
}

// look carries out the looking of a step.
func (s *shop) look(t *testing.T, name string) (engine.Outcome, bool, error) {
	t.Helper()
	a, c := s.step(t, name)
	return s.lookAt(t, a, c)
}

func (s *shop) lookAt(t *testing.T, a engine.Action, c engine.Call) (engine.Outcome, bool, error) {
	t.Helper()
	ctx, stop := s.bounded(t, a, c)
	defer stop()
	return a.Look(ctx, c)
}

// do sends the change of a step, once.
func (s *shop) do(t *testing.T, name string) (engine.Outcome, error) {
	t.Helper()
	a, c := s.step(t, name)
	ctx, stop := s.bounded(t, a, c)
	defer stop()
	return a.Do(ctx, c)
}

// carryOut is do as the engine does it: what surely did not happen is looked at and
// asked for again. Controllers write to the same objects, so that is no rarity.
func (s *shop) carryOut(t *testing.T, name string) engine.Outcome {
	t.Helper()
	const attempts = 10
	var sent engine.Outcome
	for try := 1; ; try++ {
		o, err := s.do(t, name)
		if try == 1 {
			sent = o
		}
		if err == nil {
			return sent
		}
		if f := incident.CallErrorOf(err); !f.Retry || try == attempts {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// comesTrue polls a step as the engine does until it says yes, and returns what it
// said on the way, each sentence once.
func (s *shop) comesTrue(t *testing.T, name string) []string {
	t.Helper()
	var said []string
	a, c := s.step(t, name)
	s.Wait(name+" comes true", func() bool {
		o, ok, err := s.lookAt(t, a, c)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(said) == 0 || said[len(said)-1] != o.Summary {
			said = append(said, o.Summary)
		}
		return ok
	})
	return said
}

// says fails the test unless a text has each part.
func says(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s does not say %q: %s", what, part, text)
		}
	}
}

func fault(t *testing.T, err error) *incident.CallError {
	t.Helper()
	var f *incident.CallError
	if !errors.As(err, &f) {
		t.Fatalf("an error that nobody sorted: %v", err)
	}
	return f
}

func told(f *incident.CallError) string {
	return fmt.Sprintf("retry %t, maybe %t, person %t, hint %q", f.Retry, f.Unknown, f.NeedsPerson, f.Hint)
}
